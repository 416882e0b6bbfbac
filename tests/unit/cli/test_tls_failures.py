"""What is wrong with TLS for good is tried once, and told with what to set."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from services.cli.client import connect
from services.cli.errors import ServerUnreachable, TlsFailed
from services.cli.retries import ATTEMPTS
from tests.support.certificates import certificate
from tests.support.gitlab_stub import Script, imported
from tests.support.tls_front import cut, server_context

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def encrypted(keys: tuple[Path, Path], accepted: list[int]) -> AsyncIterator[str]:
    """Give the URL of a GitLab with this certificate; each TCP connection to it is noted."""
    app = web.Application()
    app.router.add_get("/api/v4/projects/7/import", imported("finished"))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(keys))
    await site.start()
    inner: int = runner.addresses[0][1]

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(1)
        there, back = await asyncio.open_connection("127.0.0.1", inner)
        await asyncio.gather(_copy(reader, back), _copy(there, writer), return_exceptions=True)

    async with await asyncio.start_server(passed, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"https://127.0.0.1:{port}"
    await cut(port)
    await runner.cleanup()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(64 * 1024):
        writer.write(data)
    writer.close()


async def test_a_certificate_that_is_not_trusted_is_told_at_once(tmp_path: Path) -> None:
    accepted: list[int] = []
    async with (
        encrypted(certificate(tmp_path, "127.0.0.1"), accepted) as url,
        connect(url, "token") as client,
    ):
        with pytest.raises(TlsFailed, match=r"certificate that is not trusted .* SSL_CERT_FILE") as failed:
            await client.import_status(7)
    assert (len(accepted), failed.value.exit_code) == (1, 4)


async def test_https_to_a_port_that_speaks_http_is_told_at_once() -> None:
    script = Script()
    async with (
        script.server() as url,
        connect(url.replace("http://", "https://"), "token") as client,
    ):
        with pytest.raises(TlsFailed, match=r"does not speak TLS.* is it http://\?"):
            await client.import_status(7)


async def test_a_connection_that_breaks_in_its_handshake_is_tried_again() -> None:
    accepted: list[int] = []

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(1)
        await reader.read(64 * 1024)
        writer.close()

    async with await asyncio.start_server(broken, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"https://127.0.0.1:{port}", "token") as client:
            with pytest.raises(ServerUnreachable):
                await client.import_status(7)
    assert len(accepted) == ATTEMPTS


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [("127.0.0.1", 0, ""), ("other.invalid", 4, "has a certificate for another name")],
)
async def test_an_authority_that_ssl_cert_file_names_is_trusted_for_the_names_it_vouches_for(
    tmp_path: Path, name: str, code: int, told: str
) -> None:
    keys = certificate(tmp_path, name)
    asking = (
        "import asyncio, sys\n"
        "from services.cli.client import connect\n"
        "from services.cli.errors import CommandError\n"
        "async def ask():\n"
        "    async with connect(sys.argv[1], 'token') as client:\n"
        "        await client.import_status(7)\n"
        "try:\n"
        "    asyncio.run(ask())\n"
        "except CommandError as error:\n"
        "    print(error, file=sys.stderr); sys.exit(error.exit_code)\n"
    )
    async with encrypted(keys, []) as url:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", asking, url],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": str(keys[1])},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
