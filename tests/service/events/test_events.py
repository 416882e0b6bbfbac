from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.events import store as events
from shared.events.expiry import EventExpiry
from shared.events.models import Event
from shared.events.stream import find_last_word
from shared.exports import archives
from shared.exports.archives import ArchivePlan
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, Lease, Outcome, UploadOrder, UploadOutcome, UploadTarget
from shared.jobs.requeue import Requeue
from shared.ledger import objects
from tests.support.jobs import MINUTE, claimed, migrated, queued

NOW = timedelta(0)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


async def told(pool: Pool) -> list[Event]:
    return await events.list_unpublished(pool, limit=100)


async def names(pool: Pool) -> list[str]:
    return [each.name for each in await told(pool)]


async def last(pool: Pool) -> Any:
    return (await told(pool))[-1].data


async def test_every_move_of_a_job_writes_its_event(pool: Pool) -> None:
    job = await queued(pool)
    await jobs.retry(pool, await claimed(pool, job), code="storage", error="later", delay=NOW)
    await jobs.hand_back(pool, await claimed(pool, job))
    await jobs.finish(pool, await claimed(pool, job), progress={})
    assert await names(pool) == [
        "export.queued", "export.started", "export.retried", "export.started", "export.retried",
        "export.started", "export.finished",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("attempts", "moves"), [(2, ["queued", "started", "retried"]), (1, ["queued", "started", "failed"])]
)
async def test_a_job_whose_worker_is_lost_is_told_of(pool: Pool, attempts: int, moves: list[str]) -> None:
    await claimed(pool, await queued(pool, max_attempts=attempts), ttl=NOW)
    await Requeue(pool, MemoryBroker()).requeue_lost()
    assert await names(pool) == [f"export.{move}" for move in moves]
    assert "the worker was lost" in (await last(pool))["error"]


async def test_a_canceled_job_is_told_of_once(pool: Pool) -> None:
    job = await queued(pool)
    assert await jobs.cancel(pool, job.id)
    assert not await jobs.cancel(pool, job.id)
    assert await names(pool) == ["export.queued", "export.canceled"]
    assert (await last(pool))["job"]["state"] == "canceled"


async def test_a_move_that_is_taken_back_leaves_no_event(pool: Pool) -> None:
    lease = await claimed(pool, await queued(pool))
    async with pool.acquire() as db:
        transaction = db.transaction()
        await transaction.start()
        await jobs.finish(db, lease, progress={})
        await transaction.rollback()
    assert await names(pool) == ["export.queued", "export.started"]


async def test_an_event_says_whose_job_it_is_and_where_it_stands(pool: Pool) -> None:
    job = await queued(pool)
    (event,) = await told(pool)
    assert (event.job_id, event.project_id, event.subject) == (job.id, 1, "ann/p")
    assert (event.correlation_id, event.traceparent) == ("c", None)
    assert event.data == {
        "job": {
            "id": job.id,
            "kind": "export",
            "state": "queued",
            "attempt": 0,
            "max_attempts": 5,
            "parent_id": None,
            "retry_of": None,
            "canceled_by": None,
        },
        "project": {"id": 1, "path_with_namespace": "ann/p"},
        "user_id": 1,
        "progress": {},
        "archive": None,
        "content_sha256": None,
        "failures": None,
        "upload": None,
        "error": None,
        "error_code": None,
    }


async def _stored(pool: Pool, kind: objects.ObjectKind) -> int:
    named = await objects.register(pool, kind=kind)
    await objects.record_stored(pool, named.id, size=7, sha256=b"\xab" * 32)
    return named.id


async def test_a_finished_export_tells_its_archive(pool: Pool) -> None:
    job = await queued(pool)
    lease = await claimed(pool, job)
    await archives.keep_newest(
        pool, job, ArchivePlan(object_id=await _stored(pool, "archive"), size=7, sha256=b"\xab" * 32),
        file_name="f", retention=MINUTE,
    )  # fmt: skip
    await jobs.finish(pool, lease, progress={"entries": 3})
    data = await last(pool)
    assert data["archive"] == {"size": 7, "sha256": "ab" * 32}
    assert data["upload"] is None
    assert data["progress"] == {"entries": 3}
    assert data["failures"] is None


async def test_a_finished_upload_tells_its_export_its_archive_and_how_it_went(pool: Pool) -> None:
    export = await queued(pool)
    job = await jobs.enqueue(
        pool, UploadOrder(upload=UploadTarget(url="https://s3.example.com/x?sig=1")), project_id=1, user_id=1,
        correlation_id="c", object_id=await _stored(pool, "archive"), parent_id=export.id,
    )  # fmt: skip
    upload = UploadOutcome(url="https://s3.example.com/x", status=200, attempts=1, bytes=7, error=None)
    await jobs.finish(pool, await claimed(pool, job), progress={}, outcome=Outcome(upload=upload))
    data = await last(pool)
    assert data["job"]["parent_id"] == export.id
    assert data["archive"] == {"size": 7, "sha256": "ab" * 32}
    assert data["upload"]["status"] == 200
    assert data["failures"] is None


async def _import(pool: Pool) -> tuple[Job, Lease]:
    job = await jobs.enqueue(
        pool, ImportOrder(), project_id=1, user_id=1, correlation_id="c",
        object_id=await _stored(pool, "upload"),
    )  # fmt: skip
    return job, await claimed(pool, job)


async def _failure(pool: Pool, lease: Lease) -> None:
    await pool.execute(
        """INSERT INTO failed_relations (job_id, lease, relation, source, exception_class, exception_message)
           VALUES ($1, $2, 'issues', 's', 'c', 'm')""",
        lease.job_id, lease.token,
    )  # fmt: skip


async def test_an_ended_import_tells_its_archive_and_the_failures_of_its_last_attempt(pool: Pool) -> None:
    job, first = await _import(pool)
    await _failure(pool, first)
    await jobs.retry(pool, first, code="storage", error="again", delay=NOW)
    second = await claimed(pool, job)
    for _ in range(2):
        await _failure(pool, second)
    await jobs.fail(pool, second, code="storage", error="broken")
    data = await last(pool)
    assert await names(pool) == [
        f"import.{move}" for move in ("queued", "started", "retried", "started", "failed")
    ]
    assert (data["failures"], data["error"]) == (2, "broken")
    assert data["archive"] == {"size": 7, "sha256": "ab" * 32}


async def test_progress_is_told_with_a_heartbeat_but_not_with_each(pool: Pool) -> None:
    lease = await claimed(pool, await queued(pool))
    for entries in (1, 2):
        await jobs.heartbeat(pool, lease, ttl=MINUTE, progress={"entries": entries})
    assert await names(pool) == ["export.queued", "export.started", "export.progress"]
    assert (await last(pool))["progress"] == {"entries": 1}


async def test_only_the_events_of_a_running_job_tell_its_pace(pool: Pool) -> None:
    lease = await claimed(pool, await queued(pool))
    pace = {"rate_bytes_per_second": 9, "seconds_left": 4}
    await jobs.heartbeat(pool, lease, ttl=MINUTE, progress={"entries": 1} | pace)
    assert (await last(pool))["progress"] == {"entries": 1} | pace
    await jobs.fail(pool, lease, code="storage", error="broken")
    assert (await last(pool))["progress"] == {"entries": 1}


async def test_progress_that_has_not_changed_is_not_told(pool: Pool) -> None:
    lease = await claimed(pool, await queued(pool))
    await jobs.heartbeat(pool, lease, ttl=MINUTE, progress={})
    assert await names(pool) == ["export.queued", "export.started"]


async def test_a_job_has_one_event_of_its_progress_the_last(pool: Pool) -> None:
    lease = await claimed(pool, await queued(pool))
    for entries in (1, 2, 3):
        await jobs.heartbeat(pool, lease, ttl=MINUTE, progress={"entries": entries})
        await pool.execute("UPDATE events SET created_at = created_at - interval '6 seconds'")
    assert await names(pool) == ["export.queued", "export.started", "export.progress"]
    assert (await last(pool))["progress"] == {"entries": 3}


async def test_a_job_that_goes_with_its_project_is_told_of_under_the_path_that_the_project_had(
    pool: Pool,
) -> None:
    running, ended = await queued(pool), await queued(pool)
    await jobs.finish(pool, await claimed(pool, ended), progress={})
    await claimed(pool, running)
    await pool.execute("DELETE FROM projects")
    event = (await told(pool))[-1]
    assert (event.name, event.job_id, event.subject) == ("export.canceled", running.id, "ann/p")
    assert (event.data["error"], event.data["error_code"]) == ("the project was deleted", "project_deleted")
    assert sum(each.name == "export.canceled" for each in await told(pool)) == 1


async def test_an_event_has_the_code_of_its_error_and_none_without_an_error(pool: Pool) -> None:
    job = await queued(pool)
    first = await claimed(pool, job)
    await jobs.retry(pool, first, code="storage", error="broken", delay=NOW)
    await jobs.fail(pool, await claimed(pool, job), code="archive_invalid", error="broken")
    codes = {each.name: each.data["error_code"] for each in await told(pool)}
    assert codes == {
        "export.queued": None,
        "export.started": None,
        "export.retried": "storage",
        "export.failed": "archive_invalid",
    }


async def test_an_event_names_the_trace_of_its_job(pool: Pool) -> None:
    job = await queued(pool)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await pool.execute("UPDATE jobs SET traceparent = $1", trace)
    await claimed(pool, job)
    assert (await told(pool))[-1].traceparent == trace


async def test_published_events_expire_and_others_do_not(pool: Pool) -> None:
    await claimed(pool, await queued(pool))
    first, second = await told(pool)
    await events.list_unpublished(pool, but=[first], limit=0)
    assert await EventExpiry(pool, retention=MINUTE, job_retention=NOW).remove_events() == 0
    assert await EventExpiry(pool, retention=NOW, job_retention=MINUTE).remove_events() == 1
    assert await told(pool) == [second]


async def test_the_last_word_of_a_job_is_kept_as_long_as_jobs_are_and_not_as_events(pool: Pool) -> None:
    await jobs.finish(pool, await claimed(pool, await queued(pool)), progress={})
    waiting = await queued(pool)
    await pool.execute("UPDATE events SET published_at = now()")
    expiry = EventExpiry(pool, retention=NOW, job_retention=MINUTE)
    assert await expiry.remove_events() == 4
    await pool.execute("DELETE FROM projects")

    assert await expiry.remove_last_words() == 0
    words = await pool.fetch("SELECT name, data ->> 'error_code' AS code FROM last_words ORDER BY job_id")
    assert [(word["name"], word["code"]) for word in words] == [
        ("export.finished", None),
        ("export.canceled", "project_deleted"),
    ]
    word = await find_last_word(pool, waiting.id)
    assert word is not None
    assert word.first_at == waiting.created_at

    assert await EventExpiry(pool, retention=MINUTE, job_retention=NOW).remove_last_words() == 2


async def test_a_job_that_is_removed_after_its_time_leaves_no_last_word(pool: Pool) -> None:
    await jobs.finish(pool, await claimed(pool, await queued(pool)), progress={})
    await pool.execute("DELETE FROM jobs")
    assert await pool.fetchval("SELECT count(*) FROM last_words") == 0
