from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

import aiohttp
import pytest
from structlog.testing import capture_logs

from services.exporter.exporter import ArchiveGone
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import LeaseLost, ObjectMissing
from shared.exports import archives
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, JobKind, JobState, Lease, UploadOutcome, UploadTarget
from shared.jobs.outbox import announce
from shared.jobs.progress import Phase, Progress
from shared.jobs.requeue import Requeue
from shared.jobs.worker import Worker, WorkerLimits
from shared.settings.application import ApplicationSettings
from tests.support.buckets import made_bucket, presigned
from tests.support.jobs import claimed, state_of
from tests.support.projects import Dock, files, project
from tests.support.receivers import Receiver, receiving
from tests.support.seaweedfs import S3Server

QUERY = "?X-Amz-Signature=s3cr3t%2Fs&x=%20"
CONTENT = project(("uploads/a/noise", Random(1).randbytes(4 * 1024 * 1024)))  # noqa: S311  # the same every time


@pytest.fixture
async def open_dock(dock: Dock) -> Dock:
    """One that has content, and may send to this machine."""
    dock.settings = ApplicationSettings(allow_local_requests_from_web_hooks_and_services=True)
    assert (await dock.run_import(CONTENT)).error is None
    return dock


def _target(receiver: Receiver, method: str = "PUT") -> UploadTarget:
    return UploadTarget(url=f"{receiver.url}/to%2Fhere{QUERY}", method="POST" if method == "POST" else "PUT")


async def _outcome(dock: Dock, job_id: int) -> UploadOutcome:
    report = await jobs.find_report(dock.pool, job_id)
    assert report is not None
    assert report.job.state is JobState.FINISHED
    assert report.outcome is not None
    assert report.outcome.upload is not None
    return report.outcome.upload


async def _upload(dock: Dock, target: UploadTarget) -> tuple[bytes, UploadOutcome]:
    """Export to the end; the archive as it can be downloaded, and how its upload ended."""
    job = await dock.order_export(upload=target)
    exported = await dock.exported(job, await claimed(dock.pool, job))
    found = await archives.find(dock.pool, project_id=1, user_id=1)
    assert found is not None
    assert found.size == len(exported)
    return exported, await _outcome(dock, job.id)


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


@pytest.mark.parametrize("fault", [503, 429, 0])
async def test_a_fault_that_passes_costs_a_try_and_the_next_sends_all_of_it(
    open_dock: Dock, fault: int
) -> None:
    async with receiving(fault) as receiver:
        exported, outcome = await _upload(open_dock, _target(receiver))
    assert receiver.taken[-1].body == exported
    assert (outcome.status, outcome.attempts, outcome.error) == (200, 2, None)


async def test_a_fault_that_stays_is_told_after_five_tries(open_dock: Dock) -> None:
    async with receiving(*[500] * 9) as receiver:
        _, outcome = await _upload(open_dock, _target(receiver))
    assert len(receiver.taken) == 5
    assert (outcome.status, outcome.attempts) == (500, 5)
    assert outcome.error == f"{receiver.url}/***** answered 500 Internal Server Error"


@pytest.mark.parametrize(
    ("status", "told"),
    [(403, "answered 403 Forbidden"), (307, "redirected with 307: a body is not sent elsewhere")],
)
async def test_a_refusal_is_final_and_the_archive_can_be_downloaded(
    open_dock: Dock, status: int, told: str
) -> None:
    async with receiving(status) as receiver:
        _, outcome = await _upload(open_dock, _target(receiver))
    assert len(receiver.taken) == 1
    assert (outcome.status, outcome.attempts) == (status, 1)
    assert outcome.error == f"{receiver.url}/***** {told}"


async def test_a_local_address_is_refused_when_the_upload_begins(open_dock: Dock) -> None:
    open_dock.settings = ApplicationSettings()
    async with receiving() as receiver:
        _, outcome = await _upload(open_dock, _target(receiver))
    assert receiver.taken == []
    assert (outcome.status, outcome.error) == (None, "Requests to localhost are not allowed")


async def test_a_local_address_that_is_on_the_list_is_sent_to(open_dock: Dock) -> None:
    open_dock.settings = ApplicationSettings(outbound_local_requests_allowlist=("127.0.0.1",))
    async with receiving() as receiver:
        _, outcome = await _upload(open_dock, _target(receiver))
    assert (len(receiver.taken), outcome.error) == (1, None)


async def test_nothing_that_is_logged_or_kept_as_outcome_holds_the_signature(open_dock: Dock) -> None:
    with capture_logs() as logs:
        async with receiving(503, 0, 403) as receiver:
            _, outcome = await _upload(open_dock, _target(receiver))
    assert logs
    assert "s3cr3t" not in f"{logs}{outcome}"


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


@pytest.mark.parametrize("end", [_finish, _fail, _cancel, _lose])
async def test_a_job_that_has_ended_does_not_know_its_address_any_more(
    dock: Dock, end: Callable[[Pool, Lease], Awaitable[None]]
) -> None:
    job = await dock.order_export(description="kept", upload=UploadTarget(url=f"https://h/x{QUERY}"))
    await end(dock.pool, await claimed(dock.pool, job))
    found = await jobs.find(dock.pool, job.id)
    assert found is not None
    assert found.order == ExportOrder(description="kept")
    row = await dock.pool.fetchval("SELECT jobs::text FROM jobs")
    assert "s3cr3t" not in row


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
    work = open_dock.exporter
    worker = Worker(pool, broker, kind=JobKind.EXPORT, work=work, name="w", limits=limits)

    async def outlast_the_first_lease() -> None:
        ends = await pool.fetchval("SELECT lease_expires_at FROM jobs WHERE state = 'running'")
        while not await pool.fetchval("SELECT now() > $1::timestamptz", ends):
            assert await Requeue(pool, broker).requeue_lost() == 0
        worker.stop()

    async with receiving() as receiver:
        receiver.meanwhile = outlast_the_first_lease
        job = await open_dock.order_export(upload=_target(receiver))
        assert await announce(pool, broker, job)
        async with asyncio.timeout(30):
            await worker.run()
    assert (await _outcome(open_dock, job.id)).attempts == 1


async def _left_by_a_dead_worker(dock: Dock, target: UploadTarget, receiver: Receiver) -> Lease:
    """Begin an export, and let its worker die while the receiver has not answered; the next one's lease."""
    job = await dock.order_export(upload=target)
    arrived, never = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        arrived.set()
        await never.wait()

    receiver.meanwhile = stand_still
    work = asyncio.create_task(dock.exporter.run(job, await claimed(dock.pool, job), Progress()))
    await arrived.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    never.set()
    receiver.meanwhile = None
    await dock.pool.execute("UPDATE jobs SET state = 'queued', lease_expires_at = NULL WHERE id = $1", job.id)
    return await claimed(dock.pool, job)


async def test_an_archive_whose_worker_died_in_its_upload_is_not_made_again(open_dock: Dock) -> None:
    async with receiving() as receiver:
        target = _target(receiver)
        lease = await _left_by_a_dead_worker(open_dock, target, receiver)
        first = open_dock.stored("archives/")
        job = await jobs.find(open_dock.pool, lease.job_id)
        assert job is not None
        progress = Progress()
        await open_dock.exporter.run(job, lease, progress)
    assert open_dock.stored("archives/") == first
    assert len(first) == 1
    outcome = await _outcome(open_dock, job.id)
    assert (outcome.status, outcome.bytes) == (200, progress.bytes_done)
    assert [each.phase for each in progress.phases] == [Phase.UPLOADING]
    assert receiver.taken[-1].body == (open_dock.root / first[0]).read_bytes()


async def test_an_archive_that_was_taken_away_meanwhile_is_made_again(open_dock: Dock) -> None:
    async with receiving() as receiver:
        lease = await _left_by_a_dead_worker(open_dock, _target(receiver), receiver)
        await open_dock.pool.execute("DELETE FROM archives")
        job = await jobs.find(open_dock.pool, lease.job_id)
        assert job is not None
        await open_dock.exporter.run(job, lease, Progress())
    assert (await _outcome(open_dock, job.id)).error is None
    assert await archives.find(open_dock.pool, project_id=1, user_id=1)


async def test_of_two_exports_both_are_uploaded_and_the_newer_is_kept(open_dock: Dock) -> None:
    async with receiving() as receiver:
        older = await open_dock.order_export(upload=_target(receiver), description="older")
        lease = await claimed(open_dock.pool, older)
        newer = await open_dock.order_export(description="newer")
        receiver.meanwhile = lambda: _run(open_dock, newer)
        await open_dock.exporter.run(older, lease, Progress())
    found = await archives.find(open_dock.pool, project_id=1, user_id=1)
    assert found is not None
    (sent,) = receiver.taken
    assert b'"older"' in files(sent.body)["tree/project.json"]
    assert b'"newer"' in files((open_dock.root / found.key).read_bytes())["tree/project.json"]


async def _run(dock: Dock, job: Job) -> None:
    await dock.exporter.run(job, await claimed(dock.pool, job), Progress())


async def test_an_archive_that_is_being_uploaded_is_not_removed_by_a_new_request(open_dock: Dock) -> None:
    async with receiving() as receiver:
        receiver.meanwhile = lambda: archives.remove_archives(open_dock.pool, project_id=1, user_id=1)
        _, outcome = await _upload(open_dock, _target(receiver))
    assert outcome.error is None
    assert await archives.find(open_dock.pool, project_id=1, user_id=1)
    await archives.remove_archives(open_dock.pool, project_id=1, user_id=1)
    assert await archives.find(open_dock.pool, project_id=1, user_id=1) is None


async def test_a_store_without_the_bytes_is_no_fault_of_the_receiver(open_dock: Dock) -> None:
    async with receiving() as receiver:
        lease = await _left_by_a_dead_worker(open_dock, _target(receiver), receiver)
        await open_dock.store.delete(open_dock.stored("archives/"))
        job = await jobs.find(open_dock.pool, lease.job_id)
        assert job is not None
        with pytest.raises(ObjectMissing):
            await open_dock.exporter.run(job, lease, Progress())
    assert await state_of(open_dock.pool, job.id) == "running"


async def test_a_lease_that_is_lost_in_the_upload_writes_no_outcome(open_dock: Dock) -> None:
    async with receiving() as receiver:
        job = await open_dock.order_export(upload=_target(receiver))
        receiver.meanwhile = lambda: jobs.cancel(open_dock.pool, job.id)
        with pytest.raises(LeaseLost):
            await open_dock.exporter.run(job, await claimed(open_dock.pool, job), Progress())
    report = await jobs.find_report(open_dock.pool, job.id)
    assert report is not None
    assert (report.job.state, report.outcome) == (JobState.CANCELED, None)


async def test_an_archive_that_vanishes_before_its_upload_begins_costs_the_attempt(open_dock: Dock) -> None:
    job = await open_dock.order_export(upload=UploadTarget(url="http://127.0.0.1:9/x"))
    lease = await claimed(open_dock.pool, job)
    exporter = open_dock.exporter
    export = exporter._export

    async def take_away(*args: object, ends: bool) -> None:
        await export(*args, ends=ends)  # type: ignore[arg-type]  # as they came
        await open_dock.pool.execute("DELETE FROM archives")

    exporter._export = take_away  # type: ignore[method-assign,assignment]  # what happens meanwhile
    with pytest.raises(ArchiveGone) as raised:
        await exporter.run(job, lease, Progress())
    assert raised.value.retryable


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
    _, outcome = await _upload(open_dock, UploadTarget(url=address.post, method="POST"))
    assert (outcome.status, outcome.attempts) == (405, 1)
    assert outcome.error
    assert "answered 405" in outcome.error
    assert "Signature" not in outcome.url + outcome.error


async def test_an_archive_that_s3_would_not_take_ends_as_an_outcome_without_a_try(
    open_dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.exporter.upload.LARGEST_PUT", 100)
    async with receiving() as receiver:
        exported, outcome = await _upload(open_dock, _target(receiver))
    assert receiver.taken == []
    assert (outcome.status, outcome.attempts, outcome.bytes) == (None, 0, len(exported))
    assert f"the archive has {len(exported)} bytes, and S3 takes at most 100" in (outcome.error or "")
