from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from services.importer.importer import Importer
from shared.accounts.models import AccessLevel, Scope
from shared.accounts.tokens import create_token
from shared.archive.limits import Limits
from shared.exports import archives
from shared.exports.archives import ArchivePlan
from shared.github_import.opener import GitHubOpener
from shared.jobs import outbox
from shared.jobs import store as jobs
from shared.jobs.expiry import AddressExpiry
from shared.jobs.models import (
    ExportOrder,
    ImportOrder,
    Job,
    JobKind,
    RelationImportOrder,
    RemoteSource,
    SourceForm,
    UploadOrder,
    UploadTarget,
)
from shared.jobs.requeue import Requeue
from shared.jobs.sealed_orders import OrderSealer
from shared.jobs.worker import Worker, WorkerLimits
from shared.ledger import objects
from shared.ledger.collector import Collector
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.peer_transfers.opener import PeerOpener
from shared.restore.git_events import RepositoryOpener
from shared.restore.sources import ArchiveOpener
from shared.settings.application import ApplicationSettings
from shared.snapshots import lifecycle
from tests.support.api import Answer, Api
from tests.support.imported import imported
from tests.support.projects import Dock, ndjson, project
from tests.support.remote import Servers, names
from tests.support.sealing import OTHER_KEY, sealer
from tests.support.waiting import until_row

ARCHIVE = project(issues=ndjson(b'{"iid":1,"title":"a"}', b'{"iid":2,"title":"b"}'))
AGED = "UPDATE jobs SET finished_at = finished_at - interval '24 hours'"
SEALER = OrderSealer(sealer())
OURS = "/api/crossdock/v1"
LONG_AGO = """UPDATE objects SET touched_at = now() - interval '1 hour';
              UPDATE suspects SET due_at = now() - interval '1 hour'"""


async def _call(api: Api, job: Job | int, what: str, *, by: str = "ann", **more: Any) -> Answer:
    number = job if isinstance(job, int) else job.id
    return await api.call("POST", f"/api/crossdock/v1/jobs/{number}/{what}", by=by, **more)


async def _shown(api: Api, job: Job) -> dict[str, Any]:
    body: dict[str, Any] = (await api.call("GET", f"{OURS}/jobs/{job.id}", by="ann")).body
    return body


def _detail(answer: Answer) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status, json.loads(answer.body)["detail"]


async def _collect(api: Api) -> None:
    """Collect all that nobody touched within the last minute, which nobody did."""
    collector = Collector(api.pool, api.store, grace=timedelta(minutes=1))
    await collector.remove_expired_archives()
    await collector.collect_snapshots()
    for _ in range(2):
        await api.pool.execute(LONG_AGO)
        await collector.collect_objects()


@asynccontextmanager
async def _working(api: Api) -> AsyncIterator[Worker]:
    """A worker that imports, also from servers of the test."""
    settings = ApplicationSettings(outbound_local_requests_allowlist=("files.test",))
    remote = RemoteImportPolicy(schemes=("http",), resolver=names())

    async def limits() -> Limits:
        return Limits()

    sources = ArchiveOpener(api.pool, api.store, remote=remote, defaults=settings)
    repositories = RepositoryOpener(api.pool, remote=remote, defaults=settings, packed_up_to=1024)
    hubs = GitHubOpener(
        api.pool,
        remote=remote,
        defaults=settings,
        limits=limits,
        packed_up_to=1024,
        base_url="http://dock.test",
    )
    work = Importer(
        api.pool, api.store, sources=sources, repositories=repositories, hubs=hubs,
        peers=PeerOpener(api.pool, remote=remote, defaults=settings), limits=limits, packed_up_to=1024,
    )  # fmt: skip
    held = WorkerLimits(concurrency=1, ttl=timedelta(seconds=1), drain=timedelta(seconds=10))
    worker = Worker(api.pool, api.broker, kind=JobKind.REMOTE_IMPORT, work=work, name="host:1", limits=held)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def _until(api: Api, job: Job, condition: str) -> None:
    await until_row(api.pool, f"SELECT {condition} FROM jobs WHERE id = $1", job.id)  # noqa: S608  # fixed texts


async def test_a_running_import_that_is_canceled_stops_and_leaves_nothing(api: Api) -> None:
    ann = await api.user("ann")
    made = await api.project(ann)
    gone, cut = asyncio.Event(), len(ARCHIVE) - 8

    async def silent(request: web.Request) -> web.StreamResponse:
        """Send all but the end, and nothing more."""
        response = web.StreamResponse(headers={"Content-Length": str(len(ARCHIVE))})
        await response.prepare(request)
        await response.write(ARCHIVE[:cut])
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return response

    async with AsyncExitStack() as stack, _working(api):
        port = await Servers(stack).http(silent)
        source = RemoteSource(url=f"http://files.test:{port}/a.tar.gz")
        job = await api.job(made, ann, ImportOrder(source=source))
        await outbox.announce(api.broker, job)
        await _until(api, job, f"(progress->>'bytes_done')::int = {cut}")
        shown = (await api.call("GET", f"/api/crossdock/v1/jobs/{job.id}", by="ann")).body

        canceled = await _call(api, job, "cancel")
        async with asyncio.timeout(5):
            await gone.wait()

    assert shown["lease"]["number"] == 1
    assert shown["lease"]["worker"] is None
    assert [phase["name"] for phase in shown["timings"]["phases"]] == ["preparing", "reading"]
    assert shown["timings"]["phases"][1]["bytes"] == cut
    assert shown["progress"]["bytes_per_second"] > 0
    assert shown["progress"]["remaining_seconds"] >= 1
    assert (canceled.status, canceled.body["state"], canceled.body["lease"]) == (200, "canceled", None)
    assert canceled.body["finished_at"]
    assert await lifecycle.current(api.pool, made.id) is None
    assert (await api.get(f"/projects/{made.id}/import", by="ann")).body["import_status"] == "canceled"
    await _collect(api)
    assert await api.objects_left() == 0
    assert await api.pool.fetchval("SELECT count(*) FROM snapshots") == 0


async def test_a_worker_is_named_to_administrators_alone(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await api.started(job)
    await api.user("root", is_admin=True)
    path = f"/api/crossdock/v1/jobs/{job.id}"

    leases = [(await api.call("GET", path, by=by)).body["lease"] for by in ("ann", "root")]

    assert [lease["worker"] for lease in leases] == [None, "w"]
    assert leases[0]["expires_at"].endswith("Z")


async def test_a_canceled_upload_is_kept_for_a_day_and_collected_then(api: Api) -> None:
    ann = await api.user("ann")
    dock = Dock(api.pool, api.folder)
    job = await dock.order_import(ARCHIVE, project_id=(await api.project(ann)).id, user_id=ann.id)

    assert (await _call(api, job, "cancel")).status == 200
    await _collect(api)
    kept = await api.objects_left()
    await api.pool.execute(AGED)
    await _collect(api)

    assert (kept, await api.objects_left()) == (2, 0)


async def test_a_job_tells_who_canceled_it_and_so_does_its_event(api: Api) -> None:
    ann = await api.user("ann")
    made = await api.project(ann)
    job = await api.job(made, ann)
    eve = await api.member("eve", made, AccessLevel.MAINTAINER)
    assert (await _shown(api, job))["canceled_by"] is None

    canceled = await _call(api, job, "cancel", by="eve")

    told = {"id": eve.id, "username": "eve", "name": "Eve"}
    listed = await api.call("GET", f"{OURS}/jobs", by="ann")
    assert [each["canceled_by"] for each in (canceled.body, await _shown(api, job), *listed.body)] == [
        told
    ] * 3
    moves = await api.pool.fetch("SELECT data -> 'job' -> 'canceled_by' FROM events ORDER BY id")
    assert [row[0] for row in moves] == [None, told]
    await api.pool.execute("DELETE FROM projects")
    assert (await _shown(api, job))["canceled_by"] == told


async def test_an_end_with_the_project_is_nobodys_cancellation(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await api.pool.execute("DELETE FROM projects")
    gone = await _shown(api, job)
    assert (gone["state"], gone["error_code"]) == ("canceled", "project_deleted")
    assert (gone["canceled_by"], gone["retry_of"], gone["retried_by"]) == (None, None, None)


@pytest.mark.parametrize("end", ["finished", "failed", "canceled"])
async def test_a_job_that_has_ended_is_not_canceled(api: Api, end: str) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    ways = {
        "finished": api.finished(job),
        "failed": api.failed(job, "x"),
        "canceled": _call(api, job, "cancel"),
    }
    for name, way in ways.items():
        if name == end:
            await way
        else:
            way.close()

    refused = await _call(api, job, "cancel")

    assert _detail(refused)[0] == 409
    assert "the job has ended" in _detail(refused)[1]
    assert await api.pool.fetchval("SELECT state FROM jobs") == end


@pytest.mark.parametrize("what", ["cancel", "retry"])
async def test_jobs_are_moved_by_those_who_administer_their_projects(api: Api, what: str) -> None:
    ann = await api.user("ann")
    made = await api.project(ann)
    job = await api.job(made, ann)
    await api.member("dan", made, AccessLevel.DEVELOPER)
    api.tokens["reader"] = await create_token(api.pool, ann.id, name="r", scopes=(Scope.READ_API,))

    assert (await _call(api, job, what, by="dan")).status == 404
    assert (await _call(api, job, what, by="reader")).status == 403
    assert (await _call(api, 4711, what)).status == 404
    assert await api.pool.fetchval("SELECT state FROM jobs") == "queued"


async def _failed_import(api: Api, **order: Any) -> tuple[Dock, Job]:
    ann = await api.user("ann")
    dock = Dock(api.pool, api.folder)
    made = await api.project(ann)
    job = await dock.order_import(ARCHIVE, project_id=made.id, user_id=ann.id, **order)
    await api.failed(job, "broken")
    return dock, job


async def test_a_failed_import_is_retried_as_a_new_job_of_the_same_order(api: Api) -> None:
    dock, job = await _failed_import(api, override_params={"description": "d"})
    await _collect(api)

    answer = await _call(api, job, "retry")

    assert (answer.status, answer.body["state"]) == (201, "queued")
    assert answer.headers["X-Crossdock-Job"] == str(answer.body["id"])
    again = await jobs.find(api.pool, answer.body["id"])
    assert again is not None
    assert (again.order, again.object_id, again.project_id) == (job.order, job.object_id, job.project_id)
    assert (await dock.attempt(again)).error is None
    assert (await api.get(f"/projects/{job.project_id}", by="ann")).body["description"] == "d"
    assert (await api.get(f"/projects/{job.project_id}/issues", by="ann")).headers["X-Total"] == "2"


async def test_a_retry_and_the_job_that_it_does_again_name_each_other(api: Api) -> None:
    _, job = await _failed_import(api)
    before = await _shown(api, job)
    assert (before["retry_of"], before["retried_by"]) == (None, None)

    made = (await _call(api, job, "retry")).body

    assert (made["retry_of"], made["retried_by"]) == (job.id, None)
    assert (await _shown(api, job))["retried_by"] == made["id"]
    queued = await api.pool.fetchval(
        "SELECT data -> 'job' -> 'retry_of' FROM events WHERE job_id = $1", made["id"]
    )
    assert queued == job.id


async def test_a_retry_of_a_job_that_was_removed_names_none(api: Api) -> None:
    ann = await api.user("ann")
    made = await api.project(ann)
    jobs_of: dict[str, Any] = {"project_id": made.id, "user_id": ann.id, "correlation_id": "c"}
    first = await jobs.enqueue(api.pool, ExportOrder(), **jobs_of)
    again = await jobs.enqueue(api.pool, ExportOrder(), **jobs_of, retry_of=first.id)
    assert (await _shown(api, again))["retry_of"] == first.id
    await api.pool.execute("DELETE FROM jobs WHERE id = $1", first.id)
    late = await jobs.enqueue(api.pool, ExportOrder(), **jobs_of, retry_of=first.id)
    assert [(await _shown(api, each))["retry_of"] for each in (again, late)] == [None, None]


async def test_of_many_retries_at_once_one_counts(api: Api) -> None:
    _, job = await _failed_import(api)
    answers = await asyncio.gather(*(_call(api, job, "retry") for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 2


async def test_only_what_failed_or_was_canceled_is_retried(api: Api) -> None:
    ann = await api.user("ann")
    made = await api.project(ann)
    waiting, done = await api.job(made, ann), await api.job(made, ann)
    await api.finished(done)
    for job in (waiting, done):
        answer = await _call(api, job, "retry")
        assert _detail(answer) == (409, "only a job that failed or was canceled can be retried")


async def test_an_import_whose_archive_is_gone_is_not_retried(api: Api) -> None:
    _, job = await _failed_import(api)
    await api.pool.execute(AGED)
    await _collect(api)

    status, detail = _detail(await _call(api, job, "retry"))

    assert status == 422
    assert "its archive is not there any more, as it is kept for 24 hours: upload it anew" in detail


@pytest.mark.parametrize(
    "order",
    [
        ImportOrder(source=RemoteSource(url="https://example.com/x?sig=secret")),
        ImportOrder(source=RemoteSource(url="https://a:secret@example.com/x", form=SourceForm.GIT)),
        ExportOrder(upload=UploadTarget(url="https://example.com/x?sig=secret")),
    ],
)
@pytest.mark.parametrize("how", ["failed", "canceled", "lost"])
async def test_what_had_a_secret_address_is_retried_within_a_day(
    api: Api, order: ImportOrder | ExportOrder, how: str
) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann, SEALER.seal(order, project_id=1))
    await _ended(api, job, how)

    answer = await _call(api, job, "retry")

    assert answer.status == 201
    again = await jobs.find(api.pool, answer.body["id"])
    assert again is not None
    assert (SEALER.open(again), again.kind) == (order, job.kind)
    assert "secret" not in await api.pool.fetchval("SELECT string_agg(payload::text, '') FROM jobs")


async def test_an_import_from_elsewhere_that_the_version_before_queued_is_retried_as_such(api: Api) -> None:
    ann = await api.user("ann")
    order = SEALER.seal(ImportOrder(source=RemoteSource(url="https://h/x?sig=secret")), project_id=1)
    job = await api.job(await api.project(ann), ann, order)
    await api.pool.execute("UPDATE jobs SET kind = 'import'")
    await _ended(api, job, "failed")

    answer = await _call(api, job, "retry")

    assert (answer.status, answer.body["kind"]) == (201, "import")
    assert await api.pool.fetchval("SELECT kind FROM jobs ORDER BY id DESC") == "remote_import"
    assert (await _call(api, job, "retry")).status == 409  # the newer one counts


async def test_what_had_a_secret_address_is_not_retried_later_and_says_so(api: Api) -> None:
    ann = await api.user("ann")
    order = ExportOrder(upload=UploadTarget(url="https://example.com/x?sig=secret"))
    job = await api.job(await api.project(ann), ann, order)
    await _ended(api, job, "failed")
    await AddressExpiry(api.pool, kept=timedelta(0)).forget_addresses()
    status, detail = _detail(await _call(api, job, "retry"))
    assert status == 422
    assert "its address is a secret, which is kept for 24 hours: ask for it anew" in detail


async def test_an_address_whose_key_is_lost_has_to_be_given_anew(api: Api) -> None:
    ann = await api.user("ann")
    order = ExportOrder(upload=UploadTarget(url="https://example.com/x?sig=secret"))
    sealed = OrderSealer(sealer(OTHER_KEY)).seal(order, project_id=1)
    job = await api.job(await api.project(ann), ann, sealed)
    await _ended(api, job, "failed")
    assert _detail(await _call(api, job, "retry"))[0] == 422


async def _failed_upload(api: Api) -> Job:
    """An upload that has failed; the download of its archive has expired since."""
    ann = await api.user("ann")
    made = await api.project(ann)
    export = await api.job(made, ann)
    named = await objects.register(api.pool, kind="archive")
    await objects.record_stored(api.pool, named.id, size=7, sha256=b"\xab" * 32)
    order = SEALER.seal(UploadOrder(upload=UploadTarget(url="https://h/x?sig=secret")), project_id=made.id)
    job = await jobs.enqueue(
        api.pool, order, project_id=made.id, user_id=ann.id, correlation_id="c", parent_id=export.id
    )
    plan = ArchivePlan(object_id=named.id, size=7, sha256=b"\xab" * 32)
    await archives.keep_newest(api.pool, export, plan, file_name="f", retention=timedelta(0))
    await api.finished(export)
    await api.failed(job, "no")
    return job


async def test_a_failed_upload_is_retried_with_the_same_archive_one_at_a_time(api: Api) -> None:
    job = await _failed_upload(api)
    await _collect(api)

    answer = await _call(api, job, "retry")

    assert (answer.status, answer.body["kind"], answer.body["parent_id"]) == (201, "upload", job.parent_id)
    again = await jobs.find(api.pool, answer.body["id"])
    assert again is not None
    assert (again.order, again.object_id) == (job.order, job.object_id)
    assert (await _call(api, job, "retry")).status == 400
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 3


async def test_an_upload_whose_archive_is_gone_is_not_retried(api: Api) -> None:
    job = await _failed_upload(api)
    await api.pool.execute("UPDATE jobs SET finished_at = now() - interval '1 day'")
    await _collect(api)
    status, detail = _detail(await _call(api, job, "retry"))
    assert status == 422
    assert "its archive is not there any more, as it is kept for 24 hours: export anew" in detail


async def _ended(api: Api, job: Job, how: str) -> None:
    if how == "failed":
        await api.failed(job, "broken")
    elif how == "canceled":
        await _call(api, job, "cancel")
    else:
        await _lost(api, job)


async def _lost(api: Api, job: Job) -> None:
    """End the job by the sweeper, in its last attempt."""
    await api.started(job)
    await api.pool.execute("UPDATE jobs SET attempt = max_attempts, lease_expires_at = now()")
    await Requeue(api.pool, api.broker).requeue_lost()


async def test_an_import_with_a_newer_one_is_not_retried(api: Api) -> None:
    dock, job = await _failed_import(api)
    newer = await dock.order_import(ARCHIVE, project_id=job.project_id, user_id=job.user_id or 0)
    await api.failed(newer, "x")
    assert "the project has a newer import" in _detail(await _call(api, job, "retry"))[1]


async def test_an_import_is_not_retried_over_what_the_project_got_meanwhile(api: Api) -> None:
    dock, job = await _failed_import(api)
    relation = await dock.order_relation(ARCHIVE)
    await api.pool.execute("UPDATE jobs SET project_id = $2 WHERE id = $1", relation.id, job.project_id)
    ordered = await jobs.find(api.pool, relation.id)
    assert ordered is not None
    assert (await dock.attempt(ordered)).error is None

    assert "the project has content by now" in _detail(await _call(api, job, "retry"))[1]


async def test_a_relation_import_is_retried_one_at_a_time(api: Api) -> None:
    ann = await api.user("ann")
    made = await imported(api, ann)
    dock = Dock(api.pool, api.folder)
    failed = []
    for _ in range(2):
        job = await dock.order_relation(ARCHIVE)
        await api.pool.execute("UPDATE jobs SET project_id = $2 WHERE id = $1", job.id, made.id)
        await api.failed(job, "broken")
        failed.append(job)

    answers = [await _call(api, job, "retry") for job in failed]

    assert [answer.status for answer in answers] == [201, 409]
    again = await jobs.find(api.pool, answers[0].body["id"])
    assert again is not None
    assert again.order == RelationImportOrder(relation="issues")
    assert "a relation import is already in progress" in _detail(answers[1])[1]


async def test_an_export_is_retried_for_who_asks(api: Api) -> None:
    ann = await api.user("ann")
    made = await api.project(ann)
    bob = await api.member("bob", made, AccessLevel.MAINTAINER)
    job = await api.job(made, ann, ExportOrder(description="d"))
    await api.failed(job, "broken")

    answer = await _call(api, job, "retry", by="bob")

    assert (answer.status, answer.body["user_id"]) == (201, bob.id)
    again = await api.newest(made, JobKind.EXPORT)
    assert (again.id, again.order) == (answer.body["id"], ExportOrder(description="d"))


@pytest.mark.parametrize("api", [{"project_import_limit": 1, "project_export_limit": 1}], indirect=True)
async def test_retries_count_against_the_limits(api: Api) -> None:
    _, job = await _failed_import(api)
    ann = job.user_id
    assert (await _call(api, job, "retry")).status == 201
    refused = await _call(api, job, "retry")
    assert (ann is not None, refused.status, bool(refused.headers["Retry-After"])) == (True, 429, True)
