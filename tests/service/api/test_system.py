from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from typing import Any

import pytest

from services.process.sweeper import Sweeper, at_intervals
from shared.accounts.models import User
from shared.broker.memory import MemoryBroker
from shared.errors import BrokerError, StorageError
from shared.jobs.maintenance import MaintenanceRecord, TaskRun
from shared.jobs.models import JobKind
from shared.jobs.presence import Presence, report
from shared.ledger import objects
from shared.projects.models import Project
from shared.statuses.system import read_system
from tests.support.api import Api

SILENCE = timedelta(minutes=1)


@pytest.fixture
async def root(api: Api) -> User:
    return await api.user("root", is_admin=True)


async def _system(api: Api) -> Any:
    answer = await api.call("GET", "/api/crossdock/v1/system", by="root")
    assert answer.status == 200, answer
    return answer.body


async def test_only_administrators_are_told_how_the_system_is(api: Api, root: User, ann: User) -> None:
    assert (await api.call("GET", "/api/crossdock/v1/system", by=root.username)).status == 200
    assert (await api.call("GET", "/api/crossdock/v1/system", by=ann.username)).status == 403
    assert (await api.call("GET", "/api/crossdock/v1/system")).status == 401


async def test_versions_and_readiness_are_told(api: Api, root: User) -> None:
    told = await _system(api)
    newest = await api.pool.fetchval("SELECT max(number) FROM schema_migrations")
    assert told["versions"]["crossdock"] == version("crossdock")
    assert (told["versions"]["schema"], told["versions"]["broker"]) == (newest, "memory")
    assert told["versions"]["postgres"][0].isdigit()
    assert told["readiness"]["status"] == "ok"
    assert told["readiness"].keys() == {
        "status", "master_check", "db_check", "queue_check", "storage_check"
    }  # fmt: skip


async def test_a_broker_that_is_away_is_told_and_takes_nothing_else_along(
    api: Api, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_broker: MemoryBroker) -> str:
        raise BrokerError("away")

    monkeypatch.setattr(MemoryBroker, "version", away)
    assert (await _system(api))["versions"]["broker"] is None


async def test_workers_are_told_with_their_version_and_their_jobs(
    api: Api, root: User, ann: User, project: Project
) -> None:
    job, waiting = await api.job(project, ann), await api.job(project, ann)
    lease = await api.started(job)
    name = await api.pool.fetchval("SELECT worker FROM jobs WHERE id = $1", lease.job_id)
    await report(api.pool, Presence(kind=JobKind.EXPORT, name=name, slots=3))
    await report(api.pool, Presence(kind=JobKind.IMPORT, name="gone", slots=5))
    await api.pool.execute("UPDATE job_workers SET seen_at = now() - interval '1 hour' WHERE name = 'gone'")

    told = await _system(api)

    first, gone = told["workers"]
    assert first.pop("seen_at").endswith("Z")
    assert first == {
        "kind": "export", "name": name, "slots": 3, "version": version("crossdock"), "silent": False,
        "running": [job.id],
    }  # fmt: skip
    assert (gone["name"], gone["silent"], gone["running"]) == ("gone", True, [])
    exports, imports = told["queues"]
    due = await api.pool.fetchval("SELECT not_before FROM jobs WHERE id = $1", waiting.id)
    assert exports.pop("oldest_waiting_since")[:19] == due.isoformat()[:19]
    assert exports == {"kind": "export", "slots": 3, "waiting": 1, "due": 1, "running": 1}
    assert (imports["slots"], imports["waiting"], imports["oldest_waiting_since"]) == (0, 0, None)


async def test_a_job_that_waits_on_purpose_is_not_due(
    api: Api, root: User, ann: User, project: Project
) -> None:
    job = await api.job(project, ann)
    await api.pool.execute("UPDATE jobs SET not_before = now() + interval '1 hour' WHERE id = $1", job.id)
    (queue,) = (await _system(api))["queues"]
    assert (queue["waiting"], queue["due"], queue["oldest_waiting_since"]) == (1, 0, None)


async def test_what_is_stored_is_counted_by_kind(api: Api, root: User) -> None:
    for size in (3, 4):
        made = await objects.register(api.pool, kind="pack")
        await objects.record_stored(api.pool, made.id, size=size, sha256=None)
    await api.pool.execute("UPDATE objects SET state = 'damaged' WHERE size = 4")
    told = await _system(api)
    assert told["storage"] == [{"kind": "pack", "objects": 2, "bytes": 7, "damaged": 1}]
    assert told["suspects"] == 2


async def test_what_takes_too_long_to_count_is_not_told(api: Api, root: User) -> None:
    async with api.pool.acquire() as db, db.transaction():
        await db.execute("LOCK TABLE objects IN ACCESS EXCLUSIVE MODE")
        status = await read_system(api.pool, silence=SILENCE, patience=timedelta(milliseconds=50))
    assert (status.storage, status.workers) == (None, [])


async def _sound() -> int:
    return 3


async def _broken() -> int:
    raise StorageError("away")


async def test_the_last_run_of_each_task_is_told(api: Api, root: User) -> None:
    runs: dict[str, TaskRun] = {}
    record = MaintenanceRecord(api.pool, runs).write_runs
    seldom = at_intervals(_sound, every=timedelta(hours=1), clock=lambda: 0.0)
    sweeper = Sweeper([_sound, _broken, record], every=timedelta(0), runs=runs)
    for _ in range(2):
        await sweeper.sweep()

    tasks = {each["task"]: each for each in (await _system(api))["tasks"]}

    assert (tasks["_sound"]["amount"], tasks["_sound"]["error"]) == (3, None)
    assert tasks["_sound"]["run_at"].endswith("Z")
    assert (tasks["_broken"]["amount"], tasks["_broken"]["error"]) == (0, "StorageError: away")
    assert [await seldom(), await seldom()] == [3, None]


async def test_a_task_that_was_not_due_did_not_run() -> None:
    runs: dict[str, TaskRun] = {}
    seldom = at_intervals(_sound, every=timedelta(hours=1), clock=lambda: 0.0)
    sweeper = Sweeper([seldom], every=timedelta(0), runs=runs)
    await sweeper.sweep()
    first = runs["_sound"]
    await sweeper.sweep()
    assert runs["_sound"] is first
