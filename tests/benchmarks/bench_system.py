"""A large archive through either form: how fast each step is, and the most memory that a process had.

CROSSDOCK_BENCH_MIB=n for an archive of about n MiB, a third of it lines and the rest blobs.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from shared.database.migrate import migrate
from tests.support.buckets import made_bucket
from tests.support.gitlab import GitLab
from tests.support.large import MIB, write_large
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.spools import peak_rss
from tests.support.system import System, distributed, standalone

SIZE = int(os.environ.get("CROSSDOCK_BENCH_MIB", "512"))
T = TypeVar("T")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("large") / "large.tar.gz"
    write_large(target, relations=SIZE // 3, blobs=max(1, SIZE * 2 // 3 // 64))
    return target


@pytest.fixture
def standalone_system() -> Iterator[System]:
    with standalone() as system:
        yield system


@pytest.fixture
def distributed_system(
    postgres_server: PostgresServer, rabbitmq_server: RabbitMQServer, s3_server: S3Server
) -> Iterator[System]:
    url = postgres_server.url()
    asyncio.run(migrate(url))
    asyncio.run(made_bucket(s3_server))
    with distributed(database_url=url, broker_url=rabbitmq_server.url, s3=s3_server) as system:
        yield system


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("form", ["standalone", "distributed"])
def test_a_large_archive_in_and_out(
    form: str, archive: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    system: System = request.getfixturevalue(f"{form}_system")
    steps = asyncio.run(_steps(system, archive, tmp_path / "out.tar.gz"))
    size = archive.stat().st_size / MIB
    print(f"\n{form}, an archive of {size:,.0f} MiB")
    for name, seconds in steps.items():
        print(f"  {name:<10} {seconds:>8.1f} s {size / seconds:>8,.0f} MiB/s")
    for name, process in system.processes.items():
        print(f"  {name:<14} {peak_rss(process.pid) // MIB:>4} MiB at most")


async def _steps(system: System, archive: Path, target: Path) -> dict[str, float]:
    steps: dict[str, float] = {}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        gitlab = GitLab(session, system.url, system.token, deadline=3600)
        started = await _timed(steps, "upload", gitlab.start_import(archive, "large"))
        number = started.body["id"]
        ended: dict[str, Any] = await _timed(steps, "import", gitlab.imported(number))
        assert ended["import_status"] == "finished", ended
        await _timed(steps, "export", gitlab.export(number))
        await _timed(steps, "download", gitlab.download(number, target))
    return steps


async def _timed(steps: dict[str, float], name: str, step: Awaitable[T]) -> T:
    begun = time.perf_counter()
    result = await step
    steps[name] = time.perf_counter() - begun
    return result
