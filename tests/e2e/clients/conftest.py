"""Clients of their users, and archives for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import gitlab
import pytest
from aiohttp import web

from tests.support.background import background
from tests.support.clients import Curl
from tests.support.gitbeaker import Gitbeaker, Node, gitbeaker_installed
from tests.support.large import write_large
from tests.support.prerequisites import program
from tests.support.remote import Servers
from tests.support.system import System
from tests.support.tls_front import server_context


@pytest.fixture
def gl(system: System) -> Iterator[gitlab.Gitlab]:
    """python-gitlab as the first administrator."""
    with gitlab.Gitlab(system.url, private_token=system.token, timeout=60) as client:
        client.auth()
        yield client


@pytest.fixture
def curl(system: System, tmp_path: Path) -> Curl:
    program("curl")
    return Curl(system.url, system.token, tmp_path)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Node, with @gitbeaker/rest."""
    home = gitbeaker_installed(tmp_path_factory.getbasetemp())
    with ExitStack() as resources:
        yield Node(home, resources)


@pytest.fixture
def gitbeaker(node: Node, system: System) -> Gitbeaker:
    """The client as the first administrator."""
    return Gitbeaker(node, {"host": system.url, "token": system.token})


@pytest.fixture
def name() -> str:
    """A path that is free; short enough to stand whole in the name of a download."""
    return f"p-{uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1 MiB of lines and two blobs of 1 MiB."""
    archive = tmp_path_factory.mktemp("archives") / "small.tar.gz"
    write_large(archive, relations=1, blobs=2, blob_size=1)
    return archive


@pytest.fixture
def remote(keys: tuple[Path, Path], small_archive: Path) -> Iterator[str]:
    """Where the archive lies: a server by https, which wants the token 123123 in the query."""
    with background() as loop, loop.opened(_serving(keys, small_archive)) as url:
        yield url


@asynccontextmanager
async def _serving(keys: tuple[Path, Path], source: Path) -> AsyncIterator[str]:
    async def handler(request: web.Request) -> web.FileResponse:
        if request.query.get("token") != "123123":
            raise web.HTTPForbidden
        return web.FileResponse(source, headers={"Content-Type": "application/gzip"})

    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(handler, host="127.0.0.1", tls=server_context(keys))
        yield f"https://localhost:{port}/file?token=123123"


@pytest.fixture(scope="session")
def long_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 MiB that cannot be compressed: long enough to be stopped on the way."""
    archive = tmp_path_factory.mktemp("archives") / "long.tar.gz"
    write_large(archive, relations=0, blobs=1, blob_size=16)
    return archive
