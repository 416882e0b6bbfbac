"""A temporary standalone for the demonstration: a process that is always stopped afterwards."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession

from services.cli.errors import ServerUnreachable
from services.cli.terminal import say
from services.standalone.data_folder import CLUSTER
from services.standalone.postmaster import end_former_server

_START_SECONDS = 120
_STOP_SECONDS = 60
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class Server:
    """The URL of the standalone, the token of its administrator, and its process."""

    url: str
    token: str
    pid: int


@asynccontextmanager
async def temporary_standalone(folder: Path, *, keep: bool = False) -> AsyncIterator[Server]:
    """Start a standalone on a free port, its data in ``folder``. Raises ServerUnreachable.

    Where it is to be kept it goes on behind the block, if that ends without an error.
    """
    port, token = _free_port(), f"glpat-{secrets.token_urlsafe(24)}"
    async with AsyncExitStack() as stack:
        process = _start(folder, port, token)
        stack.push_async_callback(_stopped, process, folder)
        server = Server(f"http://127.0.0.1:{port}", token, process.pid)
        await _wait_until_ready(server.url, process, folder / "log")
        yield server
        if keep:
            stack.pop_all()


async def _stopped(process: subprocess.Popen[bytes], folder: Path) -> None:
    await asyncio.shield(_stop(process, folder))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _start(folder: Path, port: int, token: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "services.cli", "standalone", "--port", str(port), "--data", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}
    # The wheel of Postgres leaves a lock file in the temporary folder.
    own = {"CROSSDOCK_ROOT_TOKEN": token, "TMPDIR": str(folder)}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603  # ourselves
            command,
            env=environment | own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that Ctrl-C reaches us, and we stop it
        )


async def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS), ClientSession() as session:
            while not await _is_ready(session, f"{url}/-/readiness"):
                if process.poll() is not None:
                    raise _failed(f"ended with {process.returncode}", log)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise _failed(f"was not ready in {_START_SECONDS} s", log) from None


async def _is_ready(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.ok
    except ClientError:
        return False


def _failed(how: str, log: Path) -> ServerUnreachable:
    """Print the end of the log, which is removed afterwards, and return the error."""
    for line in log.read_text(errors="replace").splitlines()[-_LOG_LINES:]:
        say(line)
    return ServerUnreachable(f"standalone {how}")


async def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Stop the process by SIGTERM. If it needs SIGKILL, stop its Postgres too."""
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, _STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    await end_former_server(folder / CLUSTER)
