"""The same on files: standalone against shell commands that leave blobs as files."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.meters import metered
from tests.benchmarks.results import Sample, at_most


def measure(bench: Bench) -> Iterator[Sample]:
    """Compare in turn, each pair with an archive of its own."""
    client = client_of(bench.files)
    for seed in range(1, bench.options.pairs + 1):
        archive, name = bench.archive("mixed", bench.options.size, seed), f"files{seed}"
        with metered(bench.files) as cost:
            project = client.import_archive(archive, name)
        theirs = bench.peer.import_archive(archive, name, onto_files=True)
        yield Sample("import on files / do-it-yourself", cost.seconds / theirs, goal=at_most(0.35))
        yield Sample("import on files, most memory", cost.peak["standalone"], "MiB")
        with metered(bench.files) as cost:
            client.export(project)
        theirs = bench.peer.export_files(name)
        yield Sample("export on files / do-it-yourself", cost.seconds / theirs, goal=at_most(0.01))
        bench.peer.forget()
