"""An index of many entries made for real, rows only: what export, lists, deletion and vacuum cost on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.client import Client
from tests.benchmarks.large_index import Shape, dig, fill
from tests.benchmarks.results import Sample
from tests.benchmarks.statements import psql
from tests.support.spools import MIB
from tests.support.system import System

_FILE_SIZE = 64
_QUICK = {"CROSSDOCK_SWEEP_SECONDS": "1", "CROSSDOCK_COLLECT_GRACE_SECONDS": "60"}
_TABLES = ("entries", "objects", "snapshots", "segments")
_SIZE = f"SELECT sum(pg_total_relation_size(c)) FROM unnest('{{{','.join(_TABLES)}}}'::regclass[]) c"  # noqa: S608  # fixed texts
_LEFT = "SELECT count(*) FROM (SELECT FROM entries LIMIT 1) e"
_LEFT_OBJECTS = "SELECT count(*) FROM objects WHERE key LIKE 'simulated/%'"


def measure(bench: Bench) -> Iterator[Sample]:
    """Make the index, use it, and have it go; each step is given up after the patience that was asked for."""
    shape = Shape(bench.options.entries, _FILE_SIZE)
    with bench.standalone(**_QUICK) as system:
        client = client_of(system, patience=bench.options.patience)
        project = client.import_archive(bench.archive("tiny", 1), "index")
        yield _timed("rows made", lambda: _make(system, project, shape))
        yield Sample("index, size", _size(system) / MIB, "MiB")
        yield from _used(client, project, bench.options.patience)
        yield from _gone(bench, system, client, project)
        yield _timed("index, vacuum", lambda: _vacuum(system))
        yield Sample("index, size after vacuum", _size(system) / MIB, "MiB")


def _make(system: System, project: int, shape: Shape) -> None:
    fill(system.database_url, project, shape)
    assert system.data is not None
    dig(system.data / "objects", project, shape)


def _used(client: Client, project: int, patience: float) -> Iterator[Sample]:
    path = f"/v4/projects/{project}"
    yield _timed("index, list of labels", lambda: client.call("GET", f"{path}/labels"))
    yield _timed("index, list of issues", lambda: client.call("GET", f"{path}/issues?per_page=100"))
    try:
        yield _timed("index, first export", lambda: client.export(project))
        yield _timed("index, export again", lambda: client.export(project))
    except TimeoutError:  # what comes next does not need an export
        yield Sample("index, export given up after", patience, "s")


def _gone(bench: Bench, system: System, client: Client, project: int) -> Iterator[Sample]:
    yield _timed("index, deletion answered", lambda: client.call("DELETE", f"/v4/projects/{project}"))
    yield _timed("index, until its rows are collected", lambda: _until_none(bench, system, _LEFT))
    yield _timed("index, until its objects are collected", lambda: _until_none(bench, system, _LEFT_OBJECTS))


def _timed(what: str, step: Callable[[], object]) -> Sample:
    began = time.perf_counter()
    step()
    return Sample(what, time.perf_counter() - began, "s")


def _until_none(bench: Bench, system: System, query: str) -> None:
    end = time.monotonic() + bench.options.patience
    while int(psql(system.database_url, query)):
        if time.monotonic() > end:
            raise TimeoutError(f"not 0 after {bench.options.patience:g} s: {query}")
        time.sleep(0.5)


def _vacuum(system: System) -> None:
    psql(system.database_url, *(f"VACUUM ANALYZE {name}" for name in _TABLES))


def _size(system: System) -> int:
    return int(psql(system.database_url, _SIZE))
