"""What an installation of many workers would do, reckoned from the costs that were measured.

``python -m tests.benchmarks.model bench.json`` prints it. Every resource is a rate that one unit of it gives,
and a job uses so much of each: the resource with the least jobs a second is the one that saturates first.
Services are taken to scale by their number; Postgres, the broker and the store are not, and have what the
machine of the model says. Waits of one resource for another, and contention for locks, are left out: the
figures are upper bounds, and ``check`` says how far runs with 1, 2 and 4 workers stayed below them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from shared.storage.s3_part_sizes import MIB, PartSizes
from tests.benchmarks.results import Outcome, number, read_json

GIB_IN_TIB = 1024
WORKERS = (1, 2, 4, 10, 30, 100, 300, 1000)


def _cost(name: str, preset: float) -> Any:
    """A cost that the figure of that name measures; ``preset`` is a guess of its order, where it was not."""
    return field(default=preset, metadata={"figure": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What jobs and processes cost, in the units of their figures; GiB are of what is in an archive."""

    import_worker: float = _cost("import, importer's processor", 7.5)
    import_api: float = _cost("import, api's processor", 3.5)
    import_operations: float = _cost("import, storage operations", 10)
    export_worker: float = _cost("export, exporter's processor", 4)
    export_calls: float = _cost("export, storage operations", 100)
    download_api: float = _cost("download, api's processor", 0.7)
    download_calls: float = _cost("download, storage operations", 1)
    tiny_import_worker: float = _cost("tiny imports, importer's processor", 43)
    tiny_export_worker: float = _cost("tiny exports, exporter's processor", 40)
    tiny_import_statements: float = _cost("tiny import, statements", 75)
    tiny_export_statements: float = _cost("tiny export, statements", 73)
    tiny_import_rows: float = _cost("tiny import, rows written", 40)
    tiny_export_rows: float = _cost("tiny export, rows written", 25)
    tiny_import_postgres: float = _cost("tiny import, Postgres' processor", 15)
    tiny_export_postgres: float = _cost("tiny export, Postgres' processor", 15)
    idle_statements_few: float = _cost("3 idle services, statements", 26)
    idle_statements_many: float = _cost("30 idle services, statements", 260)
    connections: float = _cost("30 idle services, connections to Postgres", 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What an installation has beside its services. Every figure is an assumption: give yours.

    ``postgres_cores`` serve statements, ``postgres_connections`` is its max_connections. The store takes
    in and gives out ``store_mib`` a second, by ``store_calls`` operations. A worker or an api has one core.
    """

    postgres_cores: float = 8
    postgres_connections: int = 500
    broker_messages: float = 20_000
    store_mib: float = 5_000
    store_calls: float = 5_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars for a thousand requests of S3 Standard in us-east-1, without what storing and traffic cost."""

    puts: float = 0.005
    gets: float = 0.0004


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one job uses of everything. ``messages`` are those of the broker, ``moved`` MiB of the store."""

    worker_seconds: float
    api_seconds: float
    postgres_seconds: float
    statements: float
    rows: float
    messages: float
    calls: float = 0
    moved: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What an installation of so many workers does at most: jobs a second, and what limits them."""

    workers: int
    jobs: float
    limit: str
    statements: float
    rows: float
    messages: float
    connections: float


MESSAGES = 5
"""Of a job: its wake-up, and the events of being queued, started, progressing and finished."""
ROWS_A_STATEMENT = 1000
"""Rows of an index that go to Postgres, or come from it, by one statement."""
_PARTS_A_GIB = 2 * 1024 * MIB / PartSizes().first
"""Requests that put a GiB: it is staged, and put once more in pieces. An operation has any number of them."""
_ROW_SECONDS = 1e-5
"""Postgres' processor seconds for a row of an index: COPY takes about 100,000 a second of them."""
_CONNECTIONS = "Postgres, connections"
ADVICE = {
    "workers": "add workers",
    "apis": "add apis",
    "Postgres, processor": "give Postgres cores; batch claims and events",
    "broker": "give each kind of worker a broker of its own",
    "store, bytes": "add disks or nodes to the store; more prefixes on S3",
    "store, operations": "put more small files into a pack; join reads",
    _CONNECTIONS: "put a pool such as pgbouncer before Postgres, or give them smaller pools",
}
"""What to change where a resource saturates first."""


def import_job(costs: Costs, *, gib: float = 0, entries: int = 0) -> Job:
    """Reckon an import: what a tiny one costs, and more by the bytes and the entries of its archive."""
    return Job(
        worker_seconds=costs.tiny_import_worker / 1000 + gib * costs.import_worker,
        api_seconds=gib * costs.import_api,
        postgres_seconds=costs.tiny_import_postgres / 1000 + entries * _ROW_SECONDS,
        statements=costs.tiny_import_statements + entries / ROWS_A_STATEMENT,
        rows=costs.tiny_import_rows + entries,
        messages=MESSAGES,
        calls=gib * import_calls(costs),
        moved=gib * 1024 * 3,  # staged, read again, and put in pieces
    )


def import_calls(costs: Costs) -> float:
    """Give the requests to the store for a GiB that is imported: parts, nearly all."""
    return costs.import_operations + _PARTS_A_GIB


def export_job(costs: Costs, *, gib: float = 0) -> Job:
    """Reckon an export and its download. What it reads of an index is in what a GiB takes."""
    return Job(
        worker_seconds=costs.tiny_export_worker / 1000 + gib * costs.export_worker,
        api_seconds=gib * costs.download_api,
        postgres_seconds=costs.tiny_export_postgres / 1000,
        statements=costs.tiny_export_statements,
        rows=costs.tiny_export_rows,
        messages=MESSAGES,
        calls=gib * (costs.export_calls + costs.download_calls),
        moved=gib * 1024,
    )


def idle_statements(costs: Costs, services: int) -> float:
    """Statements a second of idle services: a part that one leader causes, and one that each service does."""
    each = max(0.0, (costs.idle_statements_many - costs.idle_statements_few) / 27)
    return max(0.0, costs.idle_statements_few - 3 * each) + services * each


def capacity(job: Job, workers: int, costs: Costs, machine: Machine) -> Capacity:
    """Give what so many workers, of one job at a time, and as many apis do of one sort of job at most."""
    connected = min(2 * workers, machine.postgres_connections / costs.connections)
    idle = idle_statements(costs, round(connected))
    limits = _limits(job, workers, costs, machine, connected=connected, idle=idle)
    limit = min(limits, key=lambda name: limits[name])
    jobs = limits[limit]
    return Capacity(
        workers=workers,
        jobs=jobs,
        limit=limit,
        statements=jobs * job.statements + idle,
        rows=jobs * job.rows,
        messages=jobs * job.messages,
        connections=2 * workers * costs.connections,
    )


def _limits(
    job: Job, workers: int, costs: Costs, machine: Machine, *, connected: float, idle: float
) -> dict[str, float]:
    """Give the jobs a second that each resource allows."""
    idle_cores = idle * costs.tiny_import_postgres / 1000 / costs.tiny_import_statements
    limits = {
        "workers": workers / job.worker_seconds,
        "apis": _rate(workers, job.api_seconds),
        "Postgres, processor": max(0.0, machine.postgres_cores - idle_cores) / job.postgres_seconds,
        "broker": machine.broker_messages / job.messages,
        "store, bytes": _rate(machine.store_mib, job.moved),
        "store, operations": _rate(machine.store_calls, job.calls),
    }
    if connected < 2 * workers:
        limits[_CONNECTIONS] = connected / 2 / job.worker_seconds
    return limits


def _rate(available: float, used: float) -> float:
    return available / used if used else float("inf")


def price_a_tib(operations_a_gib: float, *, writes: float, prices: Prices) -> tuple[float, float]:
    """Give the requests for a TiB, and their dollars where this share of them are writes."""
    requests = operations_a_gib * GIB_IN_TIB
    return requests, requests * (writes * prices.puts + (1 - writes) * prices.gets) / 1000


def check(costs: Costs, measured: Mapping[int, float], *, cores: int) -> dict[int, float]:
    """Give measured over reckoned jobs a second, for each number of workers that was measured.

    Workers and Postgres shared the cores of one machine then, which bounds them together.
    """
    job = import_job(costs)
    on_all = cores / (job.worker_seconds + job.postgres_seconds)
    return {workers: rate / min(workers / job.worker_seconds, on_all) for workers, rate in measured.items()}


def cost_names() -> list[str]:
    """Give the names of all figures that the model asks for."""
    return [each.metadata["figure"] for each in fields(Costs)]


def read_costs(outcomes: Iterable[Outcome]) -> Costs:
    """Take the costs that were measured; those that were not keep their presets."""
    found = {figure.name: figure.value for outcome in outcomes for figure in outcome.figures}
    names = dict(zip((each.name for each in fields(Costs)), cost_names(), strict=True))
    return Costs(**{name: found[figure] for name, figure in names.items() if figure in found})


def report(outcomes: list[Outcome], *, cores: int) -> Iterator[str]:
    """Say what the costs come to, a line at a time."""
    costs, machine, prices = read_costs(outcomes), Machine(), Prices()
    for title, job in (
        ("tiny imports", import_job(costs)),
        ("tiny exports", export_job(costs)),
        ("imports of 1 GiB in 10,000 entries", import_job(costs, gib=1, entries=10_000)),
        ("imports of 100 GiB in 10 million entries", import_job(costs, gib=100, entries=10_000_000)),
        ("exports of 100 GiB", export_job(costs, gib=100)),
    ):
        yield f"\n{title}\n{_HEAD}"
        for workers in WORKERS:
            yield _line(capacity(job, workers, costs, machine), machine)
    yield "\nS3 requests, and dollars, for a TiB"
    for title, calls, writes in (
        ("imported", import_calls(costs), 1),
        ("exported", costs.export_calls, 0.5),
        ("downloaded", costs.download_calls, 0),
    ):
        requests, dollars = price_a_tib(calls, writes=writes, prices=prices)
        yield f"  {title:<12}{requests:>12,.0f}{dollars:>10.2f}"
    yield from (
        f"{workers} importers did {number(share)} of what the model says"
        for workers, share in check(costs, _measured(outcomes), cores=cores).items()
    )


_HEAD = "  workers    jobs/s  statements/s      rows/s  messages/s  connections  saturates first: what to do"


def _line(found: Capacity, machine: Machine) -> str:
    limits = [found.limit]
    if found.connections > machine.postgres_connections and _CONNECTIONS not in limits:
        limits.append(_CONNECTIONS)
    return (
        f"  {found.workers:>7}{found.jobs:>10.3g}{found.statements:>14,.0f}{found.rows:>12,.0f}"
        f"{found.messages:>12,.1f}{found.connections:>13,.0f}  "
        + "; ".join(f"{limit}: {ADVICE[limit]}" for limit in limits)
    )


def _measured(outcomes: Iterable[Outcome]) -> dict[int, float]:
    found = {figure.name: figure.value for outcome in outcomes for figure in outcome.figures}
    names = {workers: f"tiny imports of {workers} importers" for workers in (1, 2, 4)}
    return {workers: found[name] for workers, name in names.items() if name in found}


def main() -> None:
    """Print the report of a file of results, or of the presets where none is named."""
    outcomes = read_json(Path(sys.argv[1])) if len(sys.argv) > 1 else []
    print("\n".join(report(outcomes, cores=2)))


if __name__ == "__main__":
    main()
