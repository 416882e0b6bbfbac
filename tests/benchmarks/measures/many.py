"""Many small files in any order, against GNU tar in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.bench import Bench
from tests.benchmarks.meters import metered
from tests.benchmarks.peer import shell
from tests.benchmarks.results import Sample, at_least, at_most

_IN_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of ours is made in it


def measure(bench: Bench) -> Iterator[Sample]:
    """Compare in turn, tar without any disk where the machine has a folder for that."""
    where = _IN_MEMORY if _IN_MEMORY.is_dir() else bench.folder
    for seed in range(1, bench.options.pairs + 1):
        with TemporaryDirectory(prefix="crossdock-bench-", dir=where) as folder:
            yield from _pair(bench, Path(folder), seed)


def _pair(bench: Bench, folder: Path, seed: int) -> Iterator[Sample]:
    count = bench.options.files
    archive = bench.archive("many", count, seed)
    shutil.copy(archive, folder / "in.tar.gz")
    (folder / "tree").mkdir()
    with metered(bench.system) as cost:
        project = bench.client.import_archive(archive, f"many{seed}")
    unpacked = shell("tar -xzf in.tar.gz -C tree", folder)
    yield Sample("files in / tar -xzf", unpacked / cost.seconds, goal=at_least(0.5))
    yield Sample("files in", count / cost.seconds, "a second")
    with metered(bench.system) as cost:
        bench.client.export(project)
    packed = shell("tar -czf out.tar.gz -C tree .", folder)
    yield Sample("export of files / tar -czf", cost.seconds / packed, goal=at_most(0.01))
    yield Sample("export of files, storage reads", cost.calls["exporter"].get("read", 0), "reads", at_most(0))
    with metered(bench.system) as cost:
        bench.client.download(project)
    yield Sample("download of files / tar -czf", packed / cost.seconds, goal=at_least(1.5))
    yield Sample("download of files, storage reads", cost.calls["api"].get("read", 0), "reads")
