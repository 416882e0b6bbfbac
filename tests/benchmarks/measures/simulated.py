"""The export of a project of 100 GiB in a million entries, whose bytes are holes in files."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.large_index import Shape, dig, fill
from tests.benchmarks.meters import metered
from tests.benchmarks.results import Sample, at_most

_FILE_SIZE = 4096
_RESERVE = {"CROSSDOCK_DISK_RESERVE": "8192"}
"""MiB that stay free, where an export writes an archive of all that."""


def measure(bench: Bench) -> Iterator[Sample]:
    """Export, and export again; each is given up after the patience that was asked for."""
    options = bench.options
    blobs = max(0, options.gib - options.entries * _FILE_SIZE // 1024**3)
    shape = Shape(options.entries, _FILE_SIZE, blobs)
    with bench.standalone(**_RESERVE) as system:
        client = client_of(system, patience=options.patience)
        project = client.import_archive(bench.archive("tiny", 1), "simulated")
        fill(system.database_url, project, shape)
        assert system.data is not None
        dig(system.data / "objects", project, shape)
        for which, seconds in (("export of a simulated project", 3), ("the same again", 0.2)):
            with metered(system) as cost:
                client.export(project)
            yield Sample(which, cost.seconds, "s", at_most(seconds))
            yield Sample(f"{which}, most memory", cost.peak["standalone"], "MiB", at_most(140))
