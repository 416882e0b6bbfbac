"""Time and most memory of each service against the size of an archive, fresh and after other jobs."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.measures.tiny import drained, import_jobs
from tests.benchmarks.meters import metered
from tests.benchmarks.results import Sample, at_most
from tests.support.system import System

_USED = 100
"""Jobs after which a process counts as used."""


def measure(bench: Bench) -> Iterator[Sample]:
    """For each size: a system of its own, an archive through it, tiny jobs, and another archive."""
    for size in bench.options.sizes:
        with bench.distributed() as system:
            yield from _through(bench, system, size, "fresh", 1)
            drained(system, import_jobs(bench, "used"), min(_USED, bench.options.jobs))
            yield from _through(bench, system, size, "used", 2)


def _through(bench: Bench, system: System, size: int, state: str, seed: int) -> Iterator[Sample]:
    client, archive = client_of(system), bench.archive("mixed", size, seed)
    steps = {}
    with metered(system) as steps["import"]:
        project = client.import_archive(archive, f"memory-{state}")
    with metered(system) as steps["export"]:
        client.export(project)
    with metered(system) as steps["download"]:
        client.download(project)
    for name in system.processes:
        peak = max(cost.peak[name] for cost in steps.values())
        yield Sample(f"{name}, {state}", peak, "MiB", at_most(140), size)
    for step, cost in steps.items():
        yield Sample(f"{step}, {state}", cost.seconds, "s", size=size)
