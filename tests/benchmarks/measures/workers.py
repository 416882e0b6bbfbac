"""Tiny imports with 1, 2 and 4 importers: what the model is checked against."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.measures.tiny import drained, import_jobs
from tests.benchmarks.results import Sample


def measure(bench: Bench) -> Iterator[Sample]:
    """Give the jobs a second of each number of workers."""
    for count in (1, 2, 4):
        with bench.distributed(importers=count) as system:
            seconds, _ = drained(system, import_jobs(bench, "workers"), bench.options.jobs)
        yield Sample(f"tiny imports of {count} importers", bench.options.jobs / seconds, "a second")
