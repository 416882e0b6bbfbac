"""Programs that know nothing of Crossdock but its AsyncAPI document import and export by queue alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from shared.storage.s3 import S3Config, s3_store
from tests.support.background import Background, background
from tests.support.contents import assert_round_trip, contents
from tests.support.rabbitmq import RabbitMQServer
from tests.support.receivers import Receiver, receiving
from tests.support.remote import Servers
from tests.support.samples.table import archive
from tests.support.seaweedfs import S3Server
from tests.support.system import System
from tests.support.tls_front import server_context

EXAMPLES = Path(__file__).parents[2] / "examples"
ARCHIVE = "every_relation"


@pytest.fixture
def beside() -> Iterator[Background]:
    with background() as loop:
        yield loop


@pytest.fixture
def receiver(beside: Background) -> Iterator[Receiver]:
    with beside.opened(receiving()) as running:
        yield running


def run(example: str, system: System, broker: str, wanted: dict[str, Any]) -> list[Any]:
    """Run an example as its user would, without our code within its reach."""
    words = [f"{system.url}/api/asyncapi.json", broker, json.dumps(wanted)]
    done = subprocess.run(
        [sys.executable, "-I", str(EXAMPLES / example), *words],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: list[Any] = json.loads(done.stdout)
    return told


def judge(told: list[Any], receiver: Receiver, path: str, tmp_path: Path) -> None:
    """The project went in and came out whole, and the events say of it what is true."""
    imported, exported, uploaded = told
    assert (imported["happening"], imported["failures"]) == ("finished", 0)
    assert imported["project"]["path_with_namespace"] == imported["subject"] == f"root/{path}"
    assert exported["happening"] == "finished"
    (upload,) = receiver.taken
    digest = hashlib.sha256(upload.body).hexdigest()
    known = {"size": len(upload.body), "crc32": upload.body[-8:-4][::-1].hex()}
    for told_of in (exported, uploaded):
        assert told_of["archive"].items() >= known.items()
        assert told_of["archive"]["sha256"] in {None, digest}
    assert (uploaded["happening"], uploaded["upload"]["status"]) == ("finished", 200)
    out = tmp_path / "out.tar.gz"
    out.write_bytes(upload.body)
    assert_round_trip(contents(archive(ARCHIVE)), contents(out))


@asynccontextmanager
async def serving(keys: tuple[Path, Path]) -> AsyncIterator[str]:
    async def handler(_: web.Request) -> web.FileResponse:
        return web.FileResponse(archive(ARCHIVE), headers={"Content-Type": "application/gzip"})

    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(handler, host="127.0.0.1", tls=server_context(keys))
        yield f"https://localhost:{port}/archive.tar.gz"


def test_a_program_with_pika_imports_from_a_url_and_exports_to_another(
    distributed_system: System, rabbitmq_server: RabbitMQServer, receiver: Receiver, beside: Background,
    keys: tuple[Path, Path], tmp_path: Path,
) -> None:  # fmt: skip
    path = f"p-{uuid4().hex[:8]}"
    with beside.opened(serving(keys)) as url:
        wanted = {
            "actor": "root", "path": path, "source": {"url": url},
            "upload": {"url": f"{receiver.url}/out.tar.gz"},
        }  # fmt: skip
        told = run("queue_pika.py", distributed_system, rabbitmq_server.url, wanted)
    judge(told, receiver, path, tmp_path)


async def handed_over(server: S3Server, prefix: str, key: str) -> None:
    """Put the archive into Crossdock's bucket, as somebody with access to it does."""
    config = S3Config(
        endpoint_url=server.endpoint, region=server.region, bucket=server.bucket, prefix=prefix,
        access_key=server.access_key, secret_key=server.secret_key,
    )  # fmt: skip
    async with s3_store(config) as store, store.create(key) as writer:
        await writer.write(archive(ARCHIVE).read_bytes())
        await writer.commit()


def test_a_program_with_aio_pika_hands_an_object_over_and_exports_to_a_url(
    distributed_system: System, rabbitmq_server: RabbitMQServer, receiver: Receiver, beside: Background,
    s3_server: S3Server, tmp_path: Path,
) -> None:  # fmt: skip
    path = f"p-{uuid4().hex[:8]}"
    key = f"incoming/guest/{path}.tar.gz"
    beside.run(handed_over(s3_server, distributed_system.s3_prefix, key))
    wanted = {
        "actor": "root", "path": path, "source": {"key": key},
        "upload": {"url": f"{receiver.url}/out.tar.gz"},
    }  # fmt: skip
    told = run("queue_aio_pika.py", distributed_system, rabbitmq_server.url, wanted)
    judge(told, receiver, path, tmp_path)
