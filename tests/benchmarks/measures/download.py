"""A download through the api, or redirected by it, against the store's own GET of the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.client import Client, curl
from tests.benchmarks.meters import metered, timed
from tests.benchmarks.results import Sample, at_least
from tests.support.buckets import Presigned, presigned
from tests.support.spools import MIB


def measure(bench: Bench) -> Iterator[Sample]:
    """Download in turn, after a first one that nobody counts, which also gives the store the bytes."""
    project = _exported(bench, bench.client)
    target = bench.scratch("download.tar.gz")
    bench.client.download(project, target)
    size, own = target.stat().st_size / MIB, _put(bench, target)
    for _ in range(bench.options.pairs):
        with metered(bench.system) as ours:
            bench.client.download(project)
        yield Sample("download / the store's own GET", _get(own) / ours.seconds, goal=at_least(0.9))
        yield Sample("download", size / ours.seconds, "MiB/s")
        yield Sample("download, api's processor", ours.cpu["api"] * 1024 / size, "s/GiB")
        yield Sample("download, storage operations", ours.calls["api"].get("read", 0) * 1024 / size, "a GiB")
    target.unlink()
    with bench.distributed(CROSSDOCK_EXPORT_REDIRECT="true") as system:
        yield from _redirected(bench, client_of(system), own)


def _redirected(bench: Bench, client: Client, own: Presigned) -> Iterator[Sample]:
    project = _exported(bench, client)
    for _ in range(bench.options.pairs):
        with timed() as ours:
            client.download(project)
        yield Sample(
            "download by redirect / the store's own GET", _get(own) / ours.seconds, goal=at_least(0.9)
        )


def _exported(bench: Bench, client: Client) -> int:
    project = client.import_archive(bench.archive("mixed", bench.options.size), "download")
    client.export(project)
    return project


def _get(own: Presigned) -> float:
    with timed() as theirs:
        curl("-o", "/dev/null", own.get)
    return theirs.seconds


def _put(bench: Bench, file: Path) -> Presigned:
    """Put a file into the store, past Crossdock."""
    own = asyncio.run(presigned(bench.s3, "download-of-the-store"))
    curl("-H", "Content-Type: application/gzip", "-T", str(file), own.put)
    return own
