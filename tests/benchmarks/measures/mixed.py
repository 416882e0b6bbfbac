"""Lines and blobs in and out, each pair with an archive of its own: blobs are kept once by their SHA-256."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bench import Bench
from tests.benchmarks.meters import metered
from tests.benchmarks.results import Sample, at_most


def measure(bench: Bench) -> Iterator[Sample]:
    """Compare with the same done by shell commands, in turn."""
    for seed in range(1, bench.options.pairs + 1):
        yield from _pair(bench, seed)


def _pair(bench: Bench, seed: int) -> Iterator[Sample]:
    archive, name = bench.archive("mixed", bench.options.size, seed), f"mixed{seed}"
    gib = bench.options.size / 1024
    with metered(bench.system) as cost:
        project = bench.client.import_archive(archive, name)
    theirs = bench.peer.import_archive(archive, name)
    yield Sample("import / do-it-yourself", cost.seconds / theirs, goal=at_most(0.42))
    yield Sample("import, importer's processor", cost.cpu["importer"] / gib, "s/GiB", at_most(4.5))
    yield Sample("import, api's processor", cost.cpu["api"] / gib, "s/GiB", at_most(2))
    yield Sample("import, seconds a GiB", cost.seconds / gib, "s/GiB")
    calls = sum(sum(by_operation.values()) for by_operation in cost.calls.values())
    yield Sample("import, storage operations", calls / gib, "a GiB")
    with metered(bench.system) as cost:
        bench.client.export(project)
    theirs = bench.peer.export(name)
    yield Sample("export / do-it-yourself", cost.seconds / theirs, goal=at_most(0.01))
    moved = sum(cost.moved["exporter"].values())
    yield Sample("export, bytes through the exporter", moved / bench.options.size, "of all", at_most(0))
    yield Sample("export, exporter's processor", cost.cpu["exporter"] / gib, "s/GiB")
    yield Sample("export, seconds", cost.seconds, "s")
    calls = sum(cost.calls["exporter"].values())
    yield Sample("export, storage operations", calls / gib, "a GiB")
    bench.peer.forget()
