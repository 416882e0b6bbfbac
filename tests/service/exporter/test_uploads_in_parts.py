"""Uploads in parts, to SeaweedFS by presigned addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from uuid import uuid4

import aiohttp
import pytest
from structlog.testing import capture_logs

from services.exporter.upload_in_parts import PartDamaged, PartsTooFew
from shared.broker.memory import MemoryBroker
from shared.errors import LeaseLost
from shared.jobs import sent_parts
from shared.jobs import store as jobs
from shared.jobs.models import Job, JobKind, JobReport, JobState, Lease, UploadTarget
from shared.jobs.outbox import announce
from shared.jobs.progress import Progress
from shared.jobs.worker import Worker, WorkerLimits
from shared.remote.errors import BlockedUrl, StatusFailing, StatusRefused
from shared.remote.part_addresses import PartAddresses
from shared.settings.application import ApplicationSettings
from tests.support.buckets import made_bucket, open_uploads, presigned_parts, stored_object
from tests.support.faulty_store import FaultyStore, Spoil, faulty_store
from tests.support.jobs import claim, claimed
from tests.support.projects import Dock, project
from tests.support.seaweedfs import S3Server
from tests.support.waiting import until_row

CONTENT = project(("uploads/a/noise", Random(2).randbytes(12 * 1024 * 1024)))  # noqa: S311  # the same every time
PART = 5 * 1024 * 1024
PARTS = 3
"""The archive has some more bytes than 12 MiB, and a part the fewest that S3 takes."""

MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Target:
    """An object of a bucket behind a proxy that spoils requests, and where it is sent to."""

    server: S3Server
    faults: FaultyStore
    key: str
    addresses: PartAddresses

    @property
    def upload(self) -> UploadTarget:
        """What an export is asked for with."""
        return UploadTarget(url=self.addresses.write(), in_parts=True)

    async def stored(self) -> bytes | None:
        """The object, if it is there."""
        return await stored_object(self.server, self.key)

    async def is_open(self) -> bool:
        """Whether the upload is neither completed nor aborted."""
        return bool(await open_uploads(self.server, self.key))


@pytest.fixture
async def target(s3_server: S3Server) -> AsyncIterator[Target]:
    """One with addresses for more parts than the archive has."""
    await made_bucket(s3_server)
    key = f"parts/{uuid4().hex}.tar.gz"
    async with faulty_store(s3_server.endpoint) as faults:
        front = replace(s3_server, endpoint=faults.url)
        addresses = await presigned_parts(front, key, parts=PARTS + 2, part_size=PART)
        yield Target(s3_server, faults, key, addresses)


@pytest.fixture
async def open_dock(dock: Dock) -> Dock:
    """One that has content, and may send to this machine."""
    dock.settings = ApplicationSettings(allow_local_requests_from_web_hooks_and_services=True)
    assert (await dock.run_import(CONTENT)).error is None
    return dock


async def _exported(dock: Dock, target: UploadTarget) -> tuple[bytes, Job]:
    """Export to the end; the archive, and the job of its upload."""
    job = await dock.order_export(upload=target)
    exported = await dock.exported(job, await claimed(dock.pool, job))
    upload = await jobs.find_newest(dock.pool, 1, JobKind.UPLOAD)
    assert upload is not None
    return exported, upload


async def _attempt(dock: Dock, upload: Job, progress: Progress | None = None) -> None:
    taken = await claim(dock.pool, upload.id)
    assert taken is not None
    await dock.uploader.run(taken, Lease(taken.id, taken.lease), progress or Progress())


async def _again(dock: Dock, upload: Job) -> None:
    """Queue a job again, as the sweeper does where its worker has died."""
    await dock.pool.execute(
        "UPDATE jobs SET state = 'queued', lease_expires_at = NULL WHERE id = $1", upload.id
    )


async def _report(dock: Dock, upload: Job) -> JobReport:
    report = await jobs.find_report(dock.pool, upload.id)
    assert report is not None
    return report


async def _worked_on(dock: Dock, upload: Job, until: str) -> JobReport:
    """Let a worker bring an upload to its end."""
    limits = WorkerLimits(concurrency=1, ttl=MINUTE, drain=MINUTE, first_delay=timedelta(0))
    broker = MemoryBroker()
    worker = Worker(dock.pool, broker, kind=JobKind.UPLOAD, work=dock.uploader, name="w", limits=limits)
    working = asyncio.create_task(worker.run())
    await announce(broker, upload)
    await until_row(dock.pool, "SELECT state = $2 FROM jobs WHERE id = $1", upload.id, until)
    worker.stop()
    await working
    return await _report(dock, upload)


async def test_an_archive_goes_in_parts_and_becomes_one_object(open_dock: Dock, target: Target) -> None:
    exported, upload = await _exported(open_dock, target.upload)
    progress = Progress()
    await _attempt(open_dock, upload, progress)

    assert await target.stored() == exported
    assert not await target.is_open()
    assert (progress.bytes_done, progress.bytes_total) == (len(exported), len(exported))
    report = await _report(open_dock, upload)
    assert report.job.state is JobState.FINISHED
    assert report.outcome is not None
    assert report.outcome.upload is not None
    assert report.outcome.upload.url == f"{target.faults.url}/*****"
    assert await sent_parts.list_sent(open_dock.pool, upload.id) == {}


async def test_parts_are_sent_without_a_type_which_the_older_signature_covers(
    open_dock: Dock, s3_server: S3Server
) -> None:
    """The completion has one, as GitLab Workhorse sends it, and is refused where it was signed without."""
    await made_bucket(s3_server)
    key = f"parts/{uuid4().hex}"
    addresses = await presigned_parts(s3_server, key, parts=PARTS, part_size=PART, version="s3", more=False)
    _, upload = await _exported(open_dock, UploadTarget(url=addresses.write(), in_parts=True))
    with pytest.raises(StatusRefused, match="SignatureDoesNotMatch"):
        await _attempt(open_dock, upload)
    assert len(await sent_parts.list_sent(open_dock.pool, upload.id)) == PARTS


async def test_an_attempt_goes_on_behind_the_last_part_of_the_one_before(
    open_dock: Dock, target: Target
) -> None:
    exported, upload = await _exported(open_dock, target.upload)
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber=3")
    with pytest.raises(StatusFailing) as raised:
        await _attempt(open_dock, upload)
    assert not raised.value.counts
    assert list(await sent_parts.list_sent(open_dock.pool, upload.id)) == [1, 2]

    await _again(open_dock, upload)
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber=1")
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber=2")
    progress = Progress()
    await _attempt(open_dock, upload, progress)
    assert target.faults.spoiled == 1
    assert await target.stored() == exported
    assert progress.phases[0].bytes_before == 2 * PART
    assert progress.bytes_done == len(exported)


async def test_a_part_that_was_sent_and_not_written_down_is_sent_again(
    open_dock: Dock, target: Target
) -> None:
    """As where the exporter dies between the answer and the row."""
    exported, upload = await _exported(open_dock, target.upload)
    target.faults.spoil(Spoil.FORGET, "PUT", "partNumber=2")
    with pytest.raises(StatusFailing):
        await _attempt(open_dock, upload)
    await _again(open_dock, upload)
    await _attempt(open_dock, upload)
    assert await target.stored() == exported


async def test_an_upload_whose_every_attempt_gets_further_ends_whatever_number_of_them_it_takes(
    open_dock: Dock, target: Target
) -> None:
    exported, upload = await _exported(open_dock, target.upload)
    await open_dock.pool.execute("UPDATE jobs SET max_attempts = 2 WHERE id = $1", upload.id)
    for number in range(2, PARTS + 1):
        target.faults.spoil(Spoil.ERROR, "PUT", f"partNumber={number}&")
    report = await _worked_on(open_dock, upload, "finished")
    assert target.faults.spoiled == PARTS - 1
    assert report.job.attempt == 1
    assert await target.stored() == exported


@pytest.mark.parametrize("spoil", [Spoil.HIDE, Spoil.ERROR])
async def test_a_completion_that_fails_for_a_moment_costs_no_part(
    open_dock: Dock, target: Target, spoil: Spoil
) -> None:
    exported, upload = await _exported(open_dock, target.upload)
    target.faults.spoil(spoil, "POST", "uploadId")
    with pytest.raises(StatusFailing, match="InternalError: Try again"):
        await _attempt(open_dock, upload)
    assert await target.stored() is None

    await _again(open_dock, upload)
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber")
    await _attempt(open_dock, upload)
    assert await target.stored() == exported


async def test_a_completion_whose_answer_was_lost_has_completed_the_upload(
    open_dock: Dock, target: Target
) -> None:
    exported, upload = await _exported(open_dock, target.upload)
    target.faults.spoil(Spoil.FORGET, "POST", "uploadId")
    with pytest.raises(StatusFailing):
        await _attempt(open_dock, upload)
    assert await target.stored() == exported
    await _again(open_dock, upload)
    await _attempt(open_dock, upload)
    assert (await _report(open_dock, upload)).job.state is JobState.FINISHED


@pytest.mark.parametrize("is_there", [True, False, None])
async def test_where_the_upload_is_gone_the_object_tells_whether_it_was_completed(
    open_dock: Dock, target: Target, *, is_there: bool | None
) -> None:
    """S3 may say of an upload that it has completed that there is none."""
    exported, upload = await _exported(open_dock, target.upload)
    await _attempt(open_dock, upload)
    assert await target.stored() == exported

    gone = await presigned_parts(target.server, f"parts/{uuid4().hex}", parts=PARTS, part_size=PART)
    await _abort(gone)
    whole = target.addresses.get_url if is_there else gone.get_url if is_there is False else None
    addresses = replace(gone, get_url=whole)
    _, upload = await _exported(open_dock, UploadTarget(url=addresses.write(), in_parts=True))
    await _write_down_all(open_dock, upload)
    if is_there:
        await _attempt(open_dock, upload)
        assert (await _report(open_dock, upload)).job.state is JobState.FINISHED
        return
    with pytest.raises(StatusRefused, match="answered 404 Not Found: NoSuchUpload"):
        await _attempt(open_dock, upload)


async def _abort(addresses: PartAddresses) -> None:
    assert addresses.abort_url is not None
    async with aiohttp.ClientSession() as session, session.delete(addresses.abort_url) as answer:
        assert answer.ok


async def _write_down_all(dock: Dock, upload: Job) -> None:
    for number in range(1, PARTS + 1):
        await dock.pool.execute("INSERT INTO sent_parts VALUES ($1, $2, '\"e\"')", upload.id, number)


async def test_a_part_that_the_target_took_as_other_bytes_is_sent_again(
    open_dock: Dock, target: Target
) -> None:
    exported, upload = await _exported(open_dock, target.upload)
    target.faults.spoil(Spoil.DAMAGE, "PUT", "partNumber=2")
    with pytest.raises(PartDamaged, match="has taken other bytes of part 2 than were sent"):
        await _attempt(open_dock, upload)
    assert list(await sent_parts.list_sent(open_dock.pool, upload.id)) == [1]
    await _again(open_dock, upload)
    await _attempt(open_dock, upload)
    assert await target.stored() == exported


async def test_too_few_addresses_are_refused_before_anything_is_sent_and_the_upload_is_aborted(
    open_dock: Dock, target: Target
) -> None:
    few = replace(target.addresses, part_urls=target.addresses.part_urls[: PARTS - 1])
    exported, upload = await _exported(open_dock, UploadTarget(url=few.write(), in_parts=True))
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber")
    with pytest.raises(PartsTooFew) as raised:
        await _attempt(open_dock, upload)
    assert str(raised.value) == (
        f"the archive has {len(exported)} bytes, and the {PARTS - 1} addresses of upload[parts][part_urls] "
        f"take at most {(PARTS - 1) * PART}, {PART} each (upload[parts][part_size]): nothing was sent"
    )
    assert target.faults.spoiled == 0
    assert not await target.is_open()


async def test_an_upload_that_fails_for_good_is_aborted_and_its_addresses_are_forgotten(
    open_dock: Dock, target: Target
) -> None:
    _, upload = await _exported(open_dock, target.upload)
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber=1&", times=5)
    report = await _worked_on(open_dock, upload, "failed")
    assert (report.job.attempt, report.job.error_code) == (5, "remote_failing")
    assert not await target.is_open()
    assert report.job.has_forgotten
    assert await sent_parts.list_sent(open_dock.pool, upload.id) == {}


async def test_an_upload_that_is_tried_again_is_not_aborted(open_dock: Dock, target: Target) -> None:
    _, upload = await _exported(open_dock, target.upload)
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber=1&")
    with pytest.raises(StatusFailing):
        await _attempt(open_dock, upload)
    assert await target.is_open()


async def test_an_abort_that_fails_leaves_the_error_of_the_upload_and_the_addresses_for_a_retry(
    open_dock: Dock, target: Target
) -> None:
    _, upload = await _exported(open_dock, target.upload)
    await open_dock.pool.execute("UPDATE jobs SET max_attempts = 1")
    target.faults.spoil(Spoil.ERROR, "PUT", "partNumber=1&")
    target.faults.spoil(Spoil.ERROR, "DELETE", "uploadId")
    report = await _worked_on(open_dock, upload, "failed")
    assert report.job.error_code == "remote_failing"
    assert await target.is_open()
    assert not report.job.has_forgotten


async def test_a_worker_that_lost_its_lease_writes_down_no_part_and_aborts_nothing(
    open_dock: Dock, target: Target
) -> None:
    _, upload = await _exported(open_dock, target.upload)
    taken = await claim(open_dock.pool, upload.id)
    assert taken is not None
    with pytest.raises(LeaseLost):
        await open_dock.uploader.run(taken, Lease(taken.id, taken.lease - 1), Progress())
    assert await sent_parts.list_sent(open_dock.pool, upload.id) == {}
    assert await target.is_open()


async def test_a_local_address_among_those_of_parts_is_refused_when_it_is_used(
    open_dock: Dock, target: Target
) -> None:
    _, upload = await _exported(open_dock, target.upload)
    open_dock.settings = ApplicationSettings()
    with pytest.raises(BlockedUrl, match="localhost"):
        await _attempt(open_dock, upload)


async def test_nothing_of_the_addresses_is_logged_told_or_kept_in_clear(
    open_dock: Dock, target: Target
) -> None:
    with capture_logs() as logs:
        _, upload = await _exported(open_dock, target.upload)
        target.faults.spoil(Spoil.ERROR, "PUT", "partNumber=1&")
        target.faults.spoil(Spoil.HIDE, "POST", "uploadId", times=9)
        report = await _worked_on(open_dock, upload, "failed")
    assert logs
    told = f"{logs}{report.job.error}{report.errors}"
    assert "uploadId" not in told
    assert "Signature" not in told
    assert "Signature" not in repr(target.upload)
    assert "Signature" not in repr(target.addresses)
