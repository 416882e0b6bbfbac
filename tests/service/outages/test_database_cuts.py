"""Connections to Postgres end at every statement in turn, and every loop goes on and does its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import stamina
import structlog

from services.process.maintenance import Maintenance
from services.process.ports import Ports
from shared.broker.base import Message
from shared.broker.memory import MemoryBroker
from shared.database.leadership import Leadership
from shared.database.pool import Pool, database, session
from shared.errors import CrossdockError
from shared.jobs import outbox, store
from shared.jobs.models import Job, JobKind, Lease
from shared.jobs.progress import Progress
from shared.jobs.worker import Worker, WorkerLimits
from shared.settings.environment import Settings
from shared.storage.filesystem import FilesystemStore
from shared.webhooks import delivery_queue
from shared.webhooks import store as webhooks
from shared.webhooks.sealed_webhooks import WebhookSealer
from tests.support.api import Answer, Api, running_api
from tests.support.commands import forge
from tests.support.cut_postgres import At, Fate, SeveredPostgres, passes, severed
from tests.support.forms import HEADERS, Part, form_body
from tests.support.hooks import HookReceiver, hooked
from tests.support.jobs import MINUTE, ScriptedWork, claimed, migrated, queued, state_of
from tests.support.sealing import sealer
from tests.support.waiting import until
from tests.support.watched import Watched

CUTS = [Fate.IS_CUT, Fate.IS_UNKNOWN]
QUICK = timedelta(milliseconds=5)
NOW = timedelta(0)
STATEMENTS = 24
"""About as many as a round of all three loops of maintenance has, with those of a new session."""


@pytest.fixture(autouse=True)
def _without_pauses() -> Iterator[None]:
    # Logs are not printed either: an outline of each traceback takes a second.
    with stamina.set_testing(True, attempts=10**6), structlog.testing.capture_logs():
        yield


@pytest.fixture
async def direct(database_url: str) -> AsyncIterator[Pool]:
    """The database as nobody cuts it."""
    async with migrated(database_url) as pool:
        yield pool


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[SeveredPostgres]:
    async with severed(database_url) as running:
        yield running


class InOneTransaction(ScriptedWork):
    """Ends as imports do: it holds the job, and finishes it in the same transaction."""

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        self.runs += 1
        self.started.set()
        await self.released.wait()
        async with self._pool.acquire() as db, db.transaction():
            await store.hold(db, lease)
            await store.finish(db, lease, progress=progress.report())

    async def explain(self, job: Job, error: CrossdockError) -> str:
        return str(error)


@asynccontextmanager
async def _working(
    proxy: SeveredPostgres, broker: MemoryBroker, *, ttl: timedelta = MINUTE, drain: timedelta = MINUTE
) -> AsyncIterator[InOneTransaction]:
    async with database(proxy.url, size=2) as pool:
        work = InOneTransaction(pool)
        limits = WorkerLimits(concurrency=1, ttl=ttl, drain=drain, first_delay=timedelta(microseconds=1))
        worker = Worker(pool, broker, kind=JobKind.EXPORT, work=work, name="w", limits=limits)
        task = asyncio.create_task(worker.run())
        yield work
        worker.stop()
        await task


async def _done(direct: Pool, broker: Watched, job: Job) -> None:
    """Wait until a job is finished, of which the worker is told again and again, and until it rests."""

    async def finished() -> bool:
        await outbox.announce(broker, job)
        return await state_of(direct, job.id) == "finished"

    await until(finished, seconds=20)
    broker.asked.clear()
    await outbox.announce(broker, job)
    await broker.asked.wait()


async def _ends_of(direct: Pool, job: Job) -> int:
    ends: int = await direct.fetchval(
        "SELECT count(*) FROM events WHERE job_id = $1 AND name LIKE '%.finished'", job.id
    )
    return ends


@pytest.mark.parametrize("fate", CUTS)
async def test_a_job_ends_once_whatever_statement_its_worker_is_cut_at(
    direct: Pool, proxy: SeveredPostgres, fate: Fate
) -> None:
    broker = Watched()
    async with _working(proxy, broker):
        await broker.asked.wait()
        for before in count():
            job = await queued(direct)
            proxy.decide = at = At(before, fate)
            await _done(direct, broker, job)
            assert await _ends_of(direct, job) == 1
            if not at.has_come:
                break
    assert before > 3


async def test_whether_an_end_of_which_no_answer_came_is_written_is_asked_first(
    direct: Pool, proxy: SeveredPostgres
) -> None:
    broker = Watched()
    lost: list[str] = []

    def lose_the_commit(text: str) -> Fate:
        if not text.startswith("COMMIT") or lost:
            return Fate.PASSES
        lost.append(text)
        return Fate.IS_UNKNOWN

    proxy.decide = lose_the_commit
    with structlog.testing.capture_logs() as logs:
        async with _working(proxy, broker) as work:
            job = await queued(direct)
            await outbox.announce(broker, job)
            await until(lambda: any(log["event"] == "job_had_ended" for log in logs))
    assert (work.runs, lost, await _ends_of(direct, job)) == (1, ["COMMIT;"], 1)
    assert not {"job_retried", "job_left_to_the_sweeper"} & {log["event"] for log in logs}


async def test_a_job_that_was_claimed_without_an_answer_is_done_by_its_worker_in_the_same_attempt(
    direct: Pool, proxy: SeveredPostgres
) -> None:
    broker = Watched()
    async with _working(proxy, broker):
        await broker.asked.wait()
        job = await queued(direct)
        proxy.decide = At(0, Fate.IS_UNKNOWN)
        await _done(direct, broker, job)
    found = await store.find(direct, job.id)
    assert found is not None
    assert (found.attempt, found.lease) == (1, 2)


async def test_a_job_whose_database_was_away_for_longer_than_its_lease_loses_no_attempt(
    direct: Pool, proxy: SeveredPostgres
) -> None:
    broker = Watched()
    with structlog.testing.capture_logs() as logs:
        async with _working(proxy, broker, ttl=timedelta(milliseconds=200)) as work:
            work.released.clear()
            job = await queued(direct)
            await outbox.announce(broker, job)
            await work.started.wait()
            proxy.refuses = ["57P03"] * 10**6
            await proxy.cut_all()
            await until(lambda: any(log["event"] == "lease_unknown" for log in logs))
            proxy.refuses = []
            work.released.set()
            await _done(direct, broker, job)
    found = await store.find(direct, job.id)
    assert found is not None
    assert (found.attempt, work.runs) == (1, 2)


async def test_a_worker_that_stops_waits_no_longer_than_its_drain_for_a_database_that_is_away(
    direct: Pool, proxy: SeveredPostgres
) -> None:
    broker = Watched()
    with stamina.set_testing(False):  # which would look at no time-out
        async with asyncio.timeout(30), _working(proxy, broker, drain=QUICK) as work:
            work.released.clear()
            job = await queued(direct)
            await outbox.announce(broker, job)
            await work.started.wait()
            proxy.refuses = ["57P03"] * 10**6
            await proxy.cut_all()
    assert await state_of(direct, job.id) == "running"


class Heard(MemoryBroker):
    """Remembers the events of each job."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    async def emit(self, topic: str, message: Message, *, key: str) -> None:
        self.events.append(message.message_id)


async def _hook(pool: Pool, url: str) -> None:
    seal = WebhookSealer(sealer())
    await webhooks.create(
        pool, project_id=1, url=seal.seal_url(url, project_id=1), events=["*"], description="",
        sealed_secret=seal.seal_secret(bytes(32), project_id=1), limit=1,
    )  # fmt: skip


@asynccontextmanager
async def _maintaining(proxy: SeveredPostgres, broker: MemoryBroker, folder: Path) -> AsyncIterator[None]:
    settings = Settings(
        sweep_seconds=0.005, lease_seconds=0.001, allow_local_requests_from_web_hooks_and_services=True
    )
    async with database(proxy.url, size=4) as pool:
        ports = Ports(pool, FilesystemStore(folder), broker, partial(session, proxy.url), sealer())
        maintenance = Maintenance(ports, settings)
        task = asyncio.create_task(Leadership(ports.session, patience=QUICK, retry=NOW).run(maintenance.lead))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])
    assert task.cancelled()


async def _is_relayed(direct: Pool, broker: Heard, receiver: HookReceiver, heard: set[str]) -> bool:
    """Tell whether all events were published and sent. Turns whose sender was cut off are ended."""
    await delivery_queue.release_all(direct)
    await direct.execute("UPDATE webhooks SET resume_at = now()")
    await direct.execute("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'pending'")
    while not receiver.hooks.empty():
        heard.add(receiver.hooks.get_nowait().id)
    events = {str(row["id"]) for row in await direct.fetch("SELECT id FROM events")}
    return events <= heard and events <= set(broker.events)


@pytest.mark.parametrize("fate", CUTS)
async def test_maintenance_does_its_work_whatever_statement_it_is_cut_at(
    direct: Pool, proxy: SeveredPostgres, tmp_path: Path, fate: Fate
) -> None:
    broker, heard = Heard(), set[str]()
    async with hooked() as receiver, _maintaining(proxy, broker, tmp_path):
        await _hook(direct, receiver.url)
        for before in range(CUTS.index(fate), STATEMENTS, len(CUTS)):
            proxy.decide = at = At(before, fate)
            job = await queued(direct)
            await claimed(direct, job, ttl=NOW)
            await until(partial(getattr, at, "has_come"))
            await until(partial(_requeued, direct, job), seconds=20)
            await until(partial(_is_relayed, direct, broker, receiver, heard), seconds=20)
    assert proxy.cuts == STATEMENTS / len(CUTS)


async def _requeued(direct: Pool, job: Job) -> bool:
    return await state_of(direct, job.id) == "queued"


Call = Callable[[Api, int], Awaitable[Answer]]
FILE = Part("file", bytes(100), "x.tar.gz")


async def _import(api: Api, number: int) -> Answer:
    body = form_body([Part("path", f"i{number}"), FILE])
    return await api.post("/projects/import", by="ann", data=body, headers=HEADERS)


CALLS: dict[str, Call] = {
    "user": lambda api, _: api.get("/user", by="ann"),
    "project": lambda api, number: api.post("/projects", by="ann", json={"path": f"p{number}"}),
    "import": _import,
    "jobs": lambda api, _: api.call("GET", "/api/crossdock/v1/jobs", by="ann"),
}


def _assert_told(answer: Answer, *, is_problem: bool) -> None:
    """A call is carried out, or it is told that the database is away."""
    if answer.status in (200, 201):
        return
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10"), answer
    if is_problem:
        assert answer.headers["Content-Type"] == "application/problem+json"
    else:
        assert answer.body == {"message": "503 Service Unavailable"}


@pytest.mark.parametrize("fate", CUTS)
@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_carried_out_or_asked_to_come_again_whatever_statement_is_cut(
    database_url: str, proxy: SeveredPostgres, tmp_path: Path, name: str, fate: Fate
) -> None:
    async with running_api(proxy.url, tmp_path) as api:
        await api.user("ann")
        for before in count():
            proxy.decide = at = At(before, fate)
            answer = await CALLS[name](api, before)
            _assert_told(answer, is_problem=name == "jobs")
            if not at.has_come:
                break
            proxy.decide = passes
        assert answer.status in (200, 201)


async def test_a_call_is_carried_out_or_asked_to_come_again_after_whatever_bytes_an_answer_is_cut(
    proxy: SeveredPostgres, tmp_path: Path
) -> None:
    async with running_api(proxy.url, tmp_path) as api:
        await api.user("ann")
        for answers in range(0, 1500, 71):
            proxy.answers = answers
            _assert_told(await api.get("/user", by="ann"), is_problem=False)
            proxy.answers = None
            assert (await api.get("/user", by="ann")).status == 200


@pytest.mark.parametrize("fate", CUTS)
async def test_a_command_is_carried_out_once_whatever_statement_is_cut(
    proxy: SeveredPostgres, tmp_path: Path, fate: Fate
) -> None:
    async with running_api(proxy.url, tmp_path) as api:
        project = await api.project(await api.user("ann"))
        async with forge(api) as sending:
            for before in count():
                proxy.decide = at = At(before, fate)
                answer = await sending.ask("export.requested", {"project": project.id}, number=f"n{before}")
                proxy.decide = passes
                assert answer.accepted, answer.data
                await api.pool.execute("UPDATE jobs SET state = 'canceled', finished_at = now()")
                if not at.has_come:
                    break
        assert await api.pool.fetchval("SELECT count(*) FROM jobs") == before + 1
