"""The same archive again: what is put into the store though it is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.corpus import large_blobs
from tests.benchmarks.meters import Cost, metered
from tests.benchmarks.results import Sample, at_most
from tests.support.system import System

_SLACK = 1.1
"""Encodings and the last part of a size differ a little."""


def measure(bench: Bench) -> Iterator[Sample]:
    """Import twice into a system that has nothing yet; the second time, large blobs need not be put."""
    size = bench.options.size
    archive = bench.archive("mixed", size)
    with bench.distributed() as system:
        first, second = (_imported(system, archive, f"again{number}") for number in range(2))
    once, again = _put(first, "importer"), _put(second, "importer")
    goal = at_most(round(_SLACK * max(0.0, 1 - large_blobs(size) / once), 2))
    yield Sample("import again, bytes put by the importer", again / once, "of the first", goal)
    yield Sample("import again, bytes staged by the api", _put(second, "api") / once, "of the first")
    yield Sample("import again, seconds", second.seconds / first.seconds, "of the first")


def _imported(system: System, archive: Path, name: str) -> Cost:
    with metered(system) as cost:
        client_of(system).import_archive(archive, name)
    return cost


def _put(cost: Cost, process: str) -> float:
    """MiB that a process wrote into the store."""
    return cost.moved[process].get("write", 0)
