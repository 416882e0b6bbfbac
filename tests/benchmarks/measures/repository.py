"""The import of a repository of a git server, against ``git clone --mirror`` and ``git bundle create``.

One server gives it to both, git's own behind aiohttp, in this process: what it takes itself is part of the
seconds of both, so look at processors and memory. Git writes onto files, and Crossdock into S3. What git has
of its pack in memory are pages of a file, which the system may take back.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.client import Client
from tests.benchmarks.meters import metered
from tests.benchmarks.results import Sample, at_most
from tests.support.background import background
from tests.support.git import ENVIRONMENT
from tests.support.git_http import GitHttp
from tests.support.prerequisites import program
from tests.support.remote import Servers
from tests.support.spools import MIB

_BLOB = MIB
_BLOBS_OF_COMMIT = 16
_GIT = '"$GIT" clone -q --mirror "$URL" copy.git && "$GIT" -C copy.git bundle create -q ../out.bundle --all'
_SETTINGS = {
    "CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS": "true",
    "CROSSDOCK_ALLOW_LOCAL_REQUESTS_FROM_WEB_HOOKS_AND_SERVICES": "true",
}


def measure(bench: Bench) -> Iterator[Sample]:
    """Import and clone in turn a repository of random files, which cannot be compressed."""
    root = bench.scratch("repositories")
    gib = _make(root / "one.git", mib=bench.options.size) / MIB / 1024
    with (
        background() as loop,
        loop.opened(_served(root)) as url,
        bench.distributed(**_SETTINGS) as system,
    ):
        client = client_of(system, pause=0.1)
        for number in range(bench.options.pairs):
            with metered(system) as ours:
                client.until_imported(_order(client, url, f"copy-{number}"))
            theirs = _clone(bench.scratch("clone"), url)
            cpu, peak = ours.cpu["importer"], ours.peak["importer"]
            yield Sample("repository in, importer's processor", cpu / gib, "s/GiB")
            yield Sample("git clone and bundle, processor", theirs.cpu / gib, "s/GiB")
            yield Sample("repository in / git clone and bundle, processor", cpu / theirs.cpu, goal=at_most(1))
            yield Sample("repository in, importer", peak, "MiB", at_most(160))
            yield Sample("git clone and bundle", theirs.peak, "MiB")
            yield Sample("repository in / git clone and bundle, MiB", peak / theirs.peak)
            yield Sample("repository in / git clone and bundle, seconds", ours.seconds / theirs.seconds)


@dataclass(frozen=True, slots=True)
class _Spent:
    """What commands took: seconds, processor seconds of all, and the most MiB of one of them."""

    seconds: float
    cpu: float
    peak: float


def _clone(folder: Path, url: str) -> _Spent:
    folder.mkdir()
    env = {**ENVIRONMENT, "GIT": program("git"), "URL": url}
    os.sync()
    began = time.perf_counter()
    process = subprocess.Popen(["/bin/sh", "-c", _GIT], cwd=folder, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if process.returncode:
        raise RuntimeError(f"git ended with {process.returncode}")
    rmtree(folder)
    return _Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _make(repository: Path, *, mib: int) -> int:
    """Make a repository of random files of 1 MiB, and give the bytes of its pack."""
    run = [program("git"), "-C", str(repository)]
    repository.mkdir(parents=True)
    subprocess.run([*run, "init", "-q", "--bare", "-b", "main"], env=ENVIRONMENT, check=True)
    importing = subprocess.Popen(
        [*run, "-c", "core.bigFileThreshold=1", "fast-import", "--quiet"],
        stdin=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    assert importing.stdin is not None
    for number in range(mib):
        if number % _BLOBS_OF_COMMIT == 0:
            who = b"a <a@example.com> %d +0000" % (1_700_000_000 + number)
            importing.stdin.write(b"commit refs/heads/main\ncommitter %b\ndata 1\nx\n" % who)
        importing.stdin.write(b"M 100644 inline f%d\ndata %d\n" % (number, _BLOB))
        importing.stdin.write(os.urandom(_BLOB) + b"\n")
    importing.stdin.close()
    if importing.wait():
        raise RuntimeError("git fast-import failed")
    return sum(path.stat().st_size for path in repository.glob("objects/pack/*.pack"))


@asynccontextmanager
async def _served(root: Path) -> AsyncIterator[str]:
    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(GitHttp(root).handle, host="127.0.0.1")
        yield f"http://127.0.0.1:{port}/one.git"


def _order(client: Client, url: str, name: str) -> int:
    number: int = client.call("POST", "/v4/projects", {"name": name, "import_url": url})["id"]
    return number
