from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

import aiohttp
import pytest
from structlog.testing import capture_logs

from services.exporter.upload import ArchiveGone, UploadTooLarge
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import CrossdockError, LeaseLost, ObjectMissing
from shared.exports import archives
from shared.jobs import store as jobs
from shared.jobs.expiry import AddressExpiry
from shared.jobs.models import (
    ExportOrder,
    Job,
    JobKind,
    JobReport,
    JobState,
    Lease,
    UploadOutcome,
    UploadTarget,
)
from shared.jobs.outbox import announce
from shared.jobs.progress import Phase, Progress
from shared.jobs.requeue import Requeue
from shared.jobs.worker import Worker, WorkerLimits
from shared.remote.errors import BlockedUrl, RedirectRefused, StatusRefused
from shared.settings.application import ApplicationSettings
from tests.support.buckets import made_bucket, presigned
from tests.support.jobs import claim, claimed, state_of
from tests.support.projects import Dock, files, project
from tests.support.receivers import Receiver, receiving
from tests.support.seaweedfs import S3Server
from tests.support.waiting import until_row

QUERY = "?X-Amz-Signature=s3cr3t%2Fs&x=%20"
CONTENT = project(("uploads/a/noise", Random(1).randbytes(4 * 1024 * 1024)))  # noqa: S311  # the same every time
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def open_dock(dock: Dock) -> Dock:
    """One that has content, and may send to this machine."""
    dock.settings = ApplicationSettings(allow_local_requests_from_web_hooks_and_services=True)
    assert (await dock.run_import(CONTENT)).error is None
    return dock


def _target(receiver: Receiver, method: str = "PUT") -> UploadTarget:
    return UploadTarget(url=f"{receiver.url}/to%2Fhere{QUERY}", method="POST" if method == "POST" else "PUT")


async def _report(dock: Dock, job_id: int) -> JobReport:
    report = await jobs.find_report(dock.pool, job_id)
    assert report is not None
    return report


async def _outcome(dock: Dock, job_id: int) -> UploadOutcome:
    report = await _report(dock, job_id)
    assert report.job.state is JobState.FINISHED
    assert report.outcome is not None
    assert report.outcome.upload is not None
    return report.outcome.upload


async def _exported(dock: Dock, target: UploadTarget) -> tuple[bytes, Job]:
    """Export to the end; the archive as it can be downloaded, and the job of its upload."""
    job = await dock.order_export(upload=target)
    exported = await dock.exported(job, await claimed(dock.pool, job))
    assert await state_of(dock.pool, job.id) == "finished"
    upload = await jobs.find_newest(dock.pool, 1, JobKind.UPLOAD)
    assert upload is not None
    return exported, upload


async def _attempt(dock: Dock, upload: Job, progress: Progress | None = None) -> None:
    taken = await claim(dock.pool, upload.id)
    assert taken is not None
    await dock.uploader.run(taken, Lease(taken.id, taken.lease), progress or Progress())


async def _upload(dock: Dock, target: UploadTarget) -> tuple[bytes, UploadOutcome]:
    """Export and upload; the archive as it can be downloaded, and the outcome."""
    exported, upload = await _exported(dock, target)
    await _attempt(dock, upload)
    return exported, await _outcome(dock, upload.id)


async def _refused(dock: Dock, target: UploadTarget, error: type[CrossdockError]) -> CrossdockError:
    """Export, and upload in vain: the error."""
    _, upload = await _exported(dock, target)
    with pytest.raises(error) as raised:
        await _attempt(dock, upload)
    return raised.value


async def _worked_on(dock: Dock, upload: Job, until: str) -> JobReport:
    """Let a worker, and the sweeper, bring an upload to its end."""
    limits = WorkerLimits(concurrency=1, ttl=MINUTE, drain=MINUTE, first_delay=timedelta(0))
    broker = MemoryBroker()
    worker = Worker(
        dock.pool, broker, kind=JobKind.UPLOAD, work=dock.uploader, name="w", limits=limits
    )  # fmt: skip
    working = asyncio.create_task(worker.run())
    await announce(broker, upload)
    await until_row(dock.pool, "SELECT state = $2 FROM jobs WHERE id = $1", upload.id, until)
    worker.stop()
    await working
    return await _report(dock, upload.id)


async def test_an_export_ends_before_its_upload_which_is_a_job_of_its_own(open_dock: Dock) -> None:
    async with receiving() as receiver:
        exported, upload = await _exported(open_dock, _target(receiver))
        assert receiver.taken == []
    parent = await jobs.find_newest(open_dock.pool, 1, JobKind.EXPORT)
    assert parent is not None
    assert (upload.state, upload.parent_id) == (JobState.QUEUED, parent.id)
    assert (upload.user_id, upload.correlation_id) == (parent.user_id, parent.correlation_id)
    last = await open_dock.pool.fetch("SELECT name FROM events ORDER BY id DESC LIMIT 2")
    assert [event["name"] for event in last] == ["upload.queued", "export.finished"]
    assert len(exported) == await open_dock.pool.fetchval("SELECT size FROM archives")


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_an_archive_is_sent_once_and_whole_to_the_exact_address(open_dock: Dock, method: str) -> None:
    async with receiving() as receiver:
        exported, outcome = await _upload(open_dock, _target(receiver, method))
    (upload,) = receiver.taken
    assert (upload.method, upload.target) == (method, f"/to%2Fhere{QUERY}")
    assert (upload.length, upload.body) == (str(len(exported)), exported)
    url = f"{receiver.url}/*****"
    assert outcome == UploadOutcome(url=url, status=200, attempts=1, bytes=len(exported), error=None)


@pytest.mark.parametrize("status", [201, 204, 299])
async def test_any_2xx_is_success(open_dock: Dock, status: int) -> None:
    async with receiving(status) as receiver:
        _, outcome = await _upload(open_dock, _target(receiver))
    assert (outcome.status, outcome.error) == (status, None)


@pytest.mark.parametrize("fault", [503, 0])
async def test_a_fault_that_passes_costs_an_attempt_and_the_next_sends_all_of_it(
    open_dock: Dock, fault: int
) -> None:
    async with receiving(fault) as receiver:
        exported, upload = await _exported(open_dock, _target(receiver))
        report = await _worked_on(open_dock, upload, "finished")
    assert receiver.taken[-1].body == exported
    assert report.job.attempt == 2
    outcome = await _outcome(open_dock, upload.id)
    assert (outcome.status, outcome.attempts, outcome.error) == (200, 2, None)


async def test_a_target_that_takes_no_more_requests_says_when_the_next_attempt_may_begin(
    open_dock: Dock,
) -> None:
    async with receiving(429) as receiver:
        refusal = await _refused(open_dock, _target(receiver), StatusRefused)
    assert (refusal.retryable, refusal.wait) == (True, 70)


async def test_a_fault_that_stays_fails_the_upload_after_five_requests(open_dock: Dock) -> None:
    async with receiving(*[500] * 9) as receiver:
        _, upload = await _exported(open_dock, _target(receiver))
        job = (await _worked_on(open_dock, upload, "failed")).job
    assert len(receiver.taken) == 5
    assert (job.attempt, job.error_code) == (5, "remote_failing")
    assert job.error == f"{receiver.url}/***** answered 500 Internal Server Error"


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (403, StatusRefused, "answered 403 Forbidden"),
        (307, RedirectRefused, "redirected with 307: a body is not sent elsewhere"),
    ],
)
async def test_a_refusal_is_final_and_the_archive_can_be_downloaded(
    open_dock: Dock, status: int, error: type[CrossdockError], told: str
) -> None:
    async with receiving(status) as receiver:
        refusal = await _refused(open_dock, _target(receiver), error)
    assert len(receiver.taken) == 1
    assert not refusal.retryable
    assert str(refusal) == f"{receiver.url}/***** {told}"
    assert await archives.find(open_dock.pool, project_id=1, user_id=1)


async def test_a_local_address_is_refused_when_the_upload_begins(open_dock: Dock) -> None:
    open_dock.settings = ApplicationSettings()
    async with receiving() as receiver:
        refusal = await _refused(open_dock, _target(receiver), BlockedUrl)
    assert receiver.taken == []
    assert (str(refusal), refusal.retryable) == ("Requests to localhost are not allowed", False)


async def test_a_local_address_that_is_on_the_list_is_sent_to(open_dock: Dock) -> None:
    open_dock.settings = ApplicationSettings(outbound_local_requests_allowlist=("127.0.0.1",))
    async with receiving() as receiver:
        _, outcome = await _upload(open_dock, _target(receiver))
    assert (len(receiver.taken), outcome.error) == (1, None)


async def test_nothing_that_is_logged_or_kept_as_outcome_holds_the_signature(open_dock: Dock) -> None:
    with capture_logs() as logs:
        async with receiving(503, 0, 200, 403) as receiver:
            reports = []
            for end in ("finished", "failed"):
                _, upload = await _exported(open_dock, _target(receiver))
                reports.append(await _worked_on(open_dock, upload, end))
    assert logs
    assert "s3cr3t" not in f"{logs}{reports[0].outcome}{reports[1].job.error}"


async def test_the_progress_of_an_upload_is_what_was_sent(open_dock: Dock) -> None:
    async with receiving() as receiver:
        exported, upload = await _exported(open_dock, _target(receiver))
        progress = Progress()
        await _attempt(open_dock, upload, progress)
    assert (progress.bytes_done, progress.bytes_total) == (len(exported), len(exported))
    assert [(each.phase, each.bytes_before) for each in progress.phases] == [(Phase.UPLOADING, 0)]


async def _finish(pool: Pool, lease: Lease) -> None:
    await jobs.finish(pool, lease, progress={})


async def _fail(pool: Pool, lease: Lease) -> None:
    await jobs.fail(pool, lease, code="storage", error="no")


async def _cancel(pool: Pool, lease: Lease) -> None:
    await jobs.cancel(pool, lease.job_id)


async def _lose(pool: Pool, lease: Lease) -> None:
    await pool.execute("UPDATE jobs SET lease_expires_at = now() - interval '1 s', attempt = max_attempts")
    assert await Requeue(pool, MemoryBroker()).requeue_lost() == 1
    assert await state_of(pool, lease.job_id) == "failed"


@pytest.mark.parametrize(("end", "kept"), [(_finish, False), (_fail, True), (_cancel, True), (_lose, True)])
async def test_the_address_is_kept_for_a_retry_until_that_is_over(
    dock: Dock, end: Callable[[Pool, Lease], Awaitable[None]], *, kept: bool
) -> None:
    target = UploadTarget(url=f"https://h/x{QUERY}")
    job = await dock.order_export(description="kept", upload=target)
    await end(dock.pool, await claimed(dock.pool, job))
    expiry = AddressExpiry(dock.pool, kept=timedelta(days=1))
    assert await expiry.forget_addresses() == 0
    found = await jobs.find(dock.pool, job.id)
    assert found is not None
    assert found.order == ExportOrder(description="kept", upload=target if kept else None)

    await dock.pool.execute("UPDATE jobs SET finished_at = now() - interval '1 day'")
    assert await expiry.forget_addresses() == kept
    found = await jobs.find(dock.pool, job.id)
    assert found is not None
    assert (found.order, found.has_forgotten) == (ExportOrder(description="kept"), True)
    assert "s3cr3t" not in await dock.pool.fetchval("SELECT jobs::text FROM jobs")


async def test_an_address_is_not_forgotten_before_its_job_has_ended(dock: Dock) -> None:
    await dock.order_export(upload=UploadTarget(url=f"https://h/x{QUERY}"))
    assert await AddressExpiry(dock.pool, kept=timedelta(0)).forget_addresses() == 0


async def test_the_archive_can_be_downloaded_while_its_upload_goes_on(open_dock: Dock) -> None:
    found = []

    async def look() -> None:
        found.append(await archives.find(open_dock.pool, project_id=1, user_id=1))

    async with receiving() as receiver:
        receiver.meanwhile = look
        exported, _ = await _upload(open_dock, _target(receiver))
    assert [archive.size for archive in found if archive] == [len(exported)]


async def test_a_lease_is_kept_for_as_long_as_an_upload_takes(open_dock: Dock) -> None:
    pool, broker = open_dock.pool, MemoryBroker()
    limits = WorkerLimits(concurrency=1, ttl=timedelta(seconds=1), drain=timedelta(seconds=5))
    worker = Worker(pool, broker, kind=JobKind.UPLOAD, work=open_dock.uploader, name="w", limits=limits)

    async def outlast_the_first_lease() -> None:
        ends = await pool.fetchval("SELECT lease_expires_at FROM jobs WHERE state = 'running'")
        while not await pool.fetchval("SELECT now() > $1::timestamptz", ends):
            assert await Requeue(pool, broker).requeue_lost() == 0
        worker.stop()

    async with receiving() as receiver:
        receiver.meanwhile = outlast_the_first_lease
        _, upload = await _exported(open_dock, _target(receiver))
        assert await announce(broker, upload)
        async with asyncio.timeout(30):
            await worker.run()
    assert (await _outcome(open_dock, upload.id)).attempts == 1


async def test_an_upload_whose_worker_died_is_sent_again_from_the_same_archive(open_dock: Dock) -> None:
    arrived, never = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        arrived.set()
        await never.wait()

    async with receiving() as receiver:
        receiver.meanwhile = stand_still
        exported, upload = await _exported(open_dock, _target(receiver))
        work = asyncio.create_task(_attempt(open_dock, upload))
        await arrived.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        never.set()
        await open_dock.pool.execute(
            "UPDATE jobs SET state = 'queued', lease_expires_at = NULL WHERE id = $1", upload.id
        )
        await _attempt(open_dock, upload)
    assert receiver.taken[-1].body == exported
    assert open_dock.stored("archives/") == []
    assert (await _outcome(open_dock, upload.id)).status == 200


async def test_an_upload_has_one_key_in_all_its_attempts_and_another_has_another(open_dock: Dock) -> None:
    async with receiving() as receiver:
        _, upload = await _exported(open_dock, _target(receiver))
        await _attempt(open_dock, upload)
        # As if the exporter had died between the answer and the end of the job.
        await open_dock.pool.execute(
            "UPDATE jobs SET state = 'queued', finished_at = NULL, payload = $2 WHERE id = $1",
            upload.id, {"upload": {"url": _target(receiver).url, "method": "PUT"}},
        )  # fmt: skip
        await _attempt(open_dock, upload)
        await _upload(open_dock, _target(receiver))
    first, again, other = [taken.key for taken in receiver.taken]
    assert first == again
    assert first.startswith(f'"crossdock-{upload.id}-')
    assert other != first


async def test_the_archive_of_an_upload_is_kept_until_that_has_ended(open_dock: Dock) -> None:
    """Whatever becomes of what can be downloaded: a new request, a new export, or its time."""
    async with receiving() as receiver:
        exported, upload = await _exported(open_dock, _target(receiver))
        await archives.remove_archives(open_dock.pool, project_id=1, user_id=1)
        assert await archives.find(open_dock.pool, project_id=1, user_id=1)
        await open_dock.pool.execute("UPDATE archives SET expires_at = now()")
        await open_dock.collect()
        await _attempt(open_dock, upload)
        assert receiver.taken[-1].body == exported
    await open_dock.collect()
    assert open_dock.stored("archives/") == []


async def test_of_two_exports_both_are_uploaded_and_the_newer_is_kept(open_dock: Dock) -> None:
    async with receiving() as receiver:
        older = await open_dock.order_export(upload=_target(receiver), description="older")
        await open_dock.exported(older, await claimed(open_dock.pool, older))
        upload = await jobs.find_newest(open_dock.pool, 1, JobKind.UPLOAD)
        assert upload is not None
        await open_dock.run_export(description="newer")
        await _attempt(open_dock, upload)
    found = await archives.find(open_dock.pool, project_id=1, user_id=1)
    assert found is not None
    (sent,) = receiver.taken
    assert b'"older"' in files(sent.body)["tree/project.json"]
    assert b'"newer"' in files(await open_dock.archive(found))["tree/project.json"]


async def test_an_archive_that_is_being_uploaded_is_removed_by_a_new_request_once_that_has_ended(
    open_dock: Dock,
) -> None:
    async with receiving() as receiver:
        receiver.meanwhile = lambda: archives.remove_archives(open_dock.pool, project_id=1, user_id=1)
        await _upload(open_dock, _target(receiver))
    assert await archives.find(open_dock.pool, project_id=1, user_id=1)
    await archives.remove_archives(open_dock.pool, project_id=1, user_id=1)
    assert await archives.find(open_dock.pool, project_id=1, user_id=1) is None


async def test_a_store_without_the_bytes_is_no_fault_of_the_receiver(open_dock: Dock) -> None:
    async with receiving() as receiver:
        _, upload = await _exported(open_dock, _target(receiver))
        await open_dock.store.delete(open_dock.stored("blobs/"))
        with pytest.raises(ObjectMissing):
            await _attempt(open_dock, upload)
    assert await state_of(open_dock.pool, upload.id) == "running"


async def test_an_upload_whose_archive_is_gone_fails_for_good(open_dock: Dock) -> None:
    _, upload = await _exported(open_dock, UploadTarget(url="http://127.0.0.1:9/x"))
    await open_dock.pool.execute("DELETE FROM archives")
    with pytest.raises(ArchiveGone) as raised:
        await _attempt(open_dock, upload)
    assert not raised.value.retryable


async def test_a_lease_that_is_lost_in_the_upload_writes_no_outcome(open_dock: Dock) -> None:
    async with receiving() as receiver:
        _, upload = await _exported(open_dock, _target(receiver))
        receiver.meanwhile = lambda: jobs.cancel(open_dock.pool, upload.id)
        with pytest.raises(LeaseLost):
            await _attempt(open_dock, upload)
    report = await _report(open_dock, upload.id)
    assert (report.job.state, report.outcome) == (JobState.CANCELED, None)


async def test_an_export_whose_lease_is_lost_leaves_no_upload(open_dock: Dock) -> None:
    job = await open_dock.order_export(upload=UploadTarget(url="http://127.0.0.1:9/x"))
    lease = await claimed(open_dock.pool, job)
    with pytest.raises(LeaseLost):
        await open_dock.exporter.run(job, Lease(job.id, lease.token + 1), Progress())
    assert await jobs.find_newest(open_dock.pool, 1, JobKind.UPLOAD) is None


async def test_an_export_that_a_version_before_left_in_its_upload_is_ended_and_uploaded(
    open_dock: Dock,
) -> None:
    async with receiving() as receiver:
        exported, _ = await _exported(open_dock, _target(receiver))
        job = await open_dock.order_export(upload=_target(receiver))
        await open_dock.pool.execute("DELETE FROM jobs WHERE kind = 'upload'")
        await open_dock.pool.execute("UPDATE archives SET job_id = $1", job.id)
        await open_dock.exporter.run(job, await claimed(open_dock.pool, job), Progress())
        upload = await jobs.find_newest(open_dock.pool, 1, JobKind.UPLOAD)
        assert upload is not None
        await _attempt(open_dock, upload)
    assert await state_of(open_dock.pool, job.id) == "finished"
    assert await open_dock.pool.fetchval("SELECT count(*) FROM archives") == 1
    assert receiver.taken[-1].body == exported
    assert open_dock.stored("archives/") == []


@pytest.mark.parametrize("version", ["s3v4", "s3"])
async def test_seaweedfs_takes_an_archive_by_its_presigned_address(
    open_dock: Dock, s3_server: S3Server, version: str
) -> None:
    await made_bucket(s3_server)
    address = await presigned(s3_server, "exports/a b.tar.gz", version=version)
    exported, outcome = await _upload(open_dock, UploadTarget(url=address.put))
    assert (outcome.status, outcome.error) == (200, None)
    async with aiohttp.ClientSession() as session, session.get(address.get) as answer:
        assert answer.headers["Content-Type"] == "application/gzip"
        assert await answer.read() == exported


async def test_that_s3_has_no_post_of_raw_bodies_is_told(open_dock: Dock, s3_server: S3Server) -> None:
    await made_bucket(s3_server)
    address = await presigned(s3_server, "exports/posted.tar.gz")
    target = UploadTarget(url=address.post, method="POST")
    refusal = await _refused(open_dock, target, StatusRefused)
    assert "answered 405" in str(refusal)
    assert "Signature" not in str(refusal)
    assert not refusal.retryable


async def test_why_s3_refuses_an_upload_is_told_in_its_own_words(
    open_dock: Dock, s3_server: S3Server
) -> None:
    await made_bucket(s3_server)
    address = await presigned(replace(s3_server, secret_key="another"), "exports/refused.tar.gz")
    refusal = await _refused(open_dock, UploadTarget(url=address.put), StatusRefused)
    assert "answered 403 Forbidden: SignatureDoesNotMatch: " in str(refusal)
    assert "refused.tar.gz" not in str(refusal)


async def test_an_archive_that_s3_would_not_take_is_refused_without_a_request(
    open_dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.exporter.upload.LARGEST_PUT", 100)
    async with receiving() as receiver:
        refusal = await _refused(open_dock, _target(receiver), UploadTooLarge)
    assert receiver.taken == []
    assert "and S3 takes at most 100" in str(refusal)
