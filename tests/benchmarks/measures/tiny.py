"""Tiny jobs: how many a second are done, and the statements, rows and processor time of one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.benchmarks.bench import Bench, client_of, database_of
from tests.benchmarks.client import Client
from tests.benchmarks.meters import cpu_seconds
from tests.benchmarks.results import Goal, Sample, at_least, at_most
from tests.benchmarks.statements import counted, psql
from tests.support.system import System

_CLIENTS = 4
_ENOUGH = 20
"""Jobs of which statements are counted."""
_SELDOM = 0.1
"""Seconds between two questions for a status, so that the api is not busy with answers."""
_WRITTEN_AFTER = 2
"""Seconds after which Postgres has written the statistics of what sessions did."""
_ROWS = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs of one sort: which worker does them, how one is ordered by its number, how to wait for its end.

    ``order`` gives the number of the project, which ``wait`` takes.
    """

    worker: str
    order: Callable[[Client, int], int]
    wait: Callable[[Client, int], None]


def measure(bench: Bench) -> Iterator[Sample]:
    """Time many jobs by default settings; count statements in another pass, as that takes time."""
    archive = bench.archive("tiny", 1)
    imports = import_jobs(bench, "tiny")
    projects = yield from _rates(bench, "tiny imports", imports)
    exports = Jobs("exporter", lambda client, n: _ask_for_export(client, projects[n]), Client.until_exported)
    yield from _rates(bench, "tiny exports", exports)
    yield from _counts(bench, "tiny import", import_jobs(bench, "counted"), at_most(30))
    yield from _counts(bench, "tiny export", exports, at_most(25))
    began = time.perf_counter()
    bench.client.import_archive(archive, "alone")
    yield Sample("tiny import alone, from its order to its end", 1000 * (time.perf_counter() - began), "ms")


def import_jobs(bench: Bench, word: str) -> Jobs:
    """Imports of a tiny archive into projects whose paths begin with a word."""
    archive = bench.archive("tiny", 1)
    return Jobs("importer", lambda client, n: client.upload(archive, f"{word}{n}"), Client.until_imported)


def _ask_for_export(client: Client, project: int) -> int:
    client.ask_for_export(project)
    return project


def _rates(bench: Bench, what: str, jobs: Jobs) -> Generator[Sample, None, list[int]]:
    count, pid = bench.options.jobs, bench.system.processes[jobs.worker].pid
    cpu = cpu_seconds(pid)
    seconds, projects = drained(bench.system, jobs, count)
    yield Sample(what, count / seconds, "a second", at_least(50))
    yield Sample(f"{what}, {jobs.worker}'s processor", 1000 * (cpu_seconds(pid) - cpu) / count, "ms a job")
    return projects


def drained(system: System, jobs: Jobs, count: int) -> tuple[float, list[int]]:
    """Order jobs while no worker runs; give the seconds that it then takes to do them, and their projects."""
    with stopped(system, jobs.worker):
        projects = _ordered(system, jobs, count)
    began = time.perf_counter()
    _await(client_of(system, pause=_SELDOM), jobs, projects)
    return time.perf_counter() - began, projects


@contextmanager
def stopped(system: System, worker: str) -> Iterator[None]:
    """Stop the workers of a kind for a block, which must be shorter than their connections' heartbeat."""
    pids = [process.pid for name, process in system.processes.items() if name.partition("-")[0] == worker]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _ordered(system: System, jobs: Jobs, count: int) -> list[int]:
    def some(first: int) -> dict[int, int]:
        client = client_of(system)
        return {number: jobs.order(client, number) for number in range(first, count, _CLIENTS)}

    with ThreadPoolExecutor(_CLIENTS) as pool:
        found = {number: made for part in pool.map(some, range(_CLIENTS)) for number, made in part.items()}
    return [found[number] for number in range(count)]


def _await(client: Client, jobs: Jobs, projects: list[int]) -> None:
    """Wait for the last first: the others have ended then, and are asked for once."""
    for project in reversed(projects):
        jobs.wait(client, project)


def _counts(bench: Bench, what: str, jobs: Jobs, goal: Goal) -> Iterator[Sample]:
    count, database = min(_ENOUGH, bench.options.jobs), database_of(bench.system.database_url)
    client = client_of(bench.system, pause=_SELDOM)
    with ExitStack() as held:
        held.enter_context(stopped(bench.system, jobs.worker))
        with counted(bench.postgres, database) as ordering:
            projects = _ordered(bench.system, jobs, count)
        rows, cpu, began = _rows(bench), cpu_seconds(bench.postgres.pid), time.perf_counter()
        with counted(bench.postgres, database) as doing:
            held.close()
            _await(client, jobs, projects)
            seconds = time.perf_counter() - began
    spent = cpu_seconds(bench.postgres.pid) - cpu
    others = _idle(bench, database) * seconds + _asking(bench, jobs, projects[0]) * client.asked
    yield Sample(f"{what}, statements", (doing.statements - others) / count, "a job", goal)
    yield Sample(f"{what}, statements to order it", ordering.statements / count, "a job")
    yield Sample(f"{what}, rows written", (_rows(bench) - rows) / count, "a job")
    yield Sample(f"{what}, Postgres' processor", 1000 * spent / count, "ms a job")


def _idle(bench: Bench, database: str) -> float:
    """Statements a second of the system when it has nothing to do."""
    with counted(bench.postgres, database) as idle:
        time.sleep(bench.options.seconds)
    return idle.statements / bench.options.seconds


def _asking(bench: Bench, jobs: Jobs, project: int) -> float:
    """Statements that it takes to ask whether a job has ended."""
    client = client_of(bench.system)
    with counted(bench.postgres, database_of(bench.system.database_url)) as asking:
        for _ in range(_ENOUGH):
            jobs.wait(client, project)
    return asking.statements / _ENOUGH


def _rows(bench: Bench) -> int:
    time.sleep(_WRITTEN_AFTER)
    return int(psql(bench.system.database_url, _ROWS))
