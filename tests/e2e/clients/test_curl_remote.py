"""The calls of GitLab's documentation for archives that lie elsewhere, typed into a shell."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.certificates import certificate
from tests.support.clients import Curl, eventually
from tests.support.contents import assert_round_trip, contents
from tests.support.remote import Servers
from tests.support.system import System, standalone

TOKEN = "123123"
REMOTE_IMPORT = (
    'curl --request POST --header "PRIVATE-TOKEN: $T" --header "Content-Type: application/json" '
    '--url "$U/api/v4/projects/remote-import" '
    '--data "{\\"url\\":\\"$REMOTE\\",\\"path\\":\\"remote-project\\"}"'
)
OLDER_REMOTE_IMPORT = (
    'curl --request POST --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/remote-import" '
    '--data "{\\"url\\":\\"$REMOTE\\",\\"path\\":\\"older-project\\"}"'
)
IMPORT_STATUS = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/import"'
EXPORT = 'curl --request POST --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export"'
EXPORT_STATUS = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export"'
DOWNLOAD = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export/download" --output out.tar.gz'


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module")
def trusting(keys: tuple[Path, Path]) -> Iterator[System]:
    """A Crossdock that trusts the servers of these tests."""
    with standalone(CROSSDOCK_REMOTE_CA_FILE=str(keys[1])) as system:
        yield system


@pytest.fixture
async def remote(keys: tuple[Path, Path], small_archive: Path) -> AsyncIterator[str]:
    """Where the archive lies: a server by https, which wants a token in the query."""
    key, cert = keys
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)

    async def handler(request: web.Request) -> web.FileResponse:
        if request.query.get("token") != TOKEN:
            raise web.HTTPForbidden
        return web.FileResponse(small_archive, headers={"Content-Type": "application/gzip"})

    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(handler, host="127.0.0.1", tls=tls)
        yield f"https://localhost:{port}/file?token={TOKEN}"


@pytest.mark.parametrize("command", [REMOTE_IMPORT, OLDER_REMOTE_IMPORT])
async def test_an_archive_elsewhere_is_imported_whole(
    trusting: System, remote: str, small_archive: Path, tmp_path: Path, command: str
) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    curl = Curl(trusting.url, trusting.token, tmp_path)
    exported = await asyncio.to_thread(_imported_and_exported, curl, command, remote)
    assert_round_trip(contents(small_archive), contents(exported))


def _imported_and_exported(curl: Curl, command: str, remote: str) -> Path:
    scheduled = curl(command, REMOTE=remote)
    assert (scheduled.status, scheduled.body["import_status"]) == (201, "scheduled"), scheduled
    project = scheduled.body["id"]
    _finished(curl, IMPORT_STATUS, "import_status", project)
    assert curl(EXPORT, P=project).status == 202
    _finished(curl, EXPORT_STATUS, "export_status", project)
    assert curl(DOWNLOAD, P=project).status == 200
    return curl.folder / "out.tar.gz"


def _finished(curl: Curl, command: str, key: str, project: object) -> None:
    done = ("finished", "failed")
    answer = eventually(lambda: curl(command, P=project), lambda answer: answer.body[key] in done)
    assert answer.body[key] == "finished", answer
