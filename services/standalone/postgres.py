"""Embedded Postgres: a full server from a Python wheel, which listens on a Unix socket in its data folder."""

from __future__ import annotations

import asyncio
import os
import re
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import structlog

from services.standalone.cluster import SUPERUSER, Programs, find_programs, make_cluster, words_of
from services.standalone.data_folder import CLUSTER, owned
from services.standalone.errors import DataFolderInUse, EmbeddedPostgresFailed
from services.standalone.postmaster import end_former_server, read_postmaster, stop_server
from shared.shielding import to_the_end

_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_LONGEST_SOCKET = 107
"""Bytes of the path of a socket (unix(7)): ``sun_path`` has 108, with a NUL at the end."""

_PLAIN = re.compile(r"[\w/.-]+", re.ASCII)
"""Paths that mean the same wherever they are written. asyncpg takes a comma for the end of one."""

_LOOK_EVERY = timedelta(milliseconds=50)
_TELL_EVERY = timedelta(seconds=10)
_LAST = 64 * 1024
"""Bytes of the log in which the reason of a failed start is looked for."""

_log = structlog.get_logger()


@asynccontextmanager
async def embedded_postgres(folder: Path, *, patience: timedelta) -> AsyncIterator[str]:
    """Run a server over the cluster in ``folder``, yield its URL, and stop it after the block.

    The caller owns the folder, whose path is absolute. A cluster is made where there is none; the server of a
    process that was killed is stopped first. After a power cut the server recovers, which is waited for,
    ``patience`` at most; the log tells of it. The URL holds in this process alone.

    Raises EmbeddedPostgresFailed, EmbeddedPostgresMissing and DataFolderUnusable.
    """
    programs = await asyncio.to_thread(find_programs)
    await end_former_server(folder)
    await make_cluster(programs, folder)
    async with _server(programs, folder) as (process, log):
        await _until_ready(process, folder, log=log, patience=patience)
        with _address(folder) as url:
            yield url


@asynccontextmanager
async def standalone_postgres(data: Path, *, patience: timedelta) -> AsyncIterator[str]:
    """Yield the URL of a standalone's database: of the server that runs, or of one for the block.

    Waits for one that starts or stops, ``patience`` at most. Raises DataFolderInUse after that, and what
    ``embedded_postgres`` raises.
    """
    folder = (await asyncio.to_thread(data.absolute)) / CLUSTER
    with ExitStack() as stack:
        if not await _own_or_share(data, folder, stack, patience=patience):
            yield stack.enter_context(_address(folder))
            return
        async with embedded_postgres(folder, patience=patience) as url:
            yield url


async def _own_or_share(data: Path, folder: Path, stack: ExitStack, *, patience: timedelta) -> bool:
    """Own the data folder, or wait until its owner's server is ready; tell whether it is owned."""
    clock = asyncio.get_running_loop().time
    until = clock() + patience.total_seconds()
    while True:
        try:
            stack.enter_context(owned(data))
        except DataFolderInUse:
            found = read_postmaster(folder)
            if found is not None and found.is_ready:
                return False
            if clock() > until:
                raise
        else:
            return True
        await asyncio.sleep(_LOOK_EVERY.total_seconds())


@asynccontextmanager
async def _server(programs: Programs, folder: Path) -> AsyncIterator[tuple[Process, Path]]:
    """Run the server until the block ends; give its process and the file of its log."""
    # Its socket is in its working directory, which is the data folder: no path is too long, none is quoted.
    options = ("listen_addresses=", "unix_socket_directories=.", f"port={_PORT}")
    words = [word for option in options for word in ("-c", option)]
    log = folder / "log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            programs.folder / "postgres", "-D", folder, *words, cwd=programs.folder,
            stdin=DEVNULL, stdout=output, stderr=STDOUT, start_new_session=True, **programs.owner(),
        )  # fmt: skip
    try:
        yield process, log
    finally:
        await to_the_end(_end(process))


async def _end(process: Process) -> None:
    await stop_server(process.pid, has_ended=lambda: process.returncode is not None)
    await process.wait()


async def _until_ready(process: Process, folder: Path, *, log: Path, patience: timedelta) -> None:
    """Wait until the server takes connections, and tell the log regularly that it does not yet."""
    clock = asyncio.get_running_loop().time
    began = told = clock()
    while process.returncode is None:
        found = read_postmaster(folder)
        if found is not None and found.pid == process.pid and found.is_ready:
            return
        now = clock()
        if now > began + patience.total_seconds():
            raise EmbeddedPostgresFailed(folder, f"it was not ready in {patience.total_seconds():g} seconds")
        if now > told + _TELL_EVERY.total_seconds():
            told = now
            _log.info("postgres_starting", seconds=round(now - began), says=words_of(_tail(log)))
        await asyncio.sleep(_LOOK_EVERY.total_seconds())
    raise EmbeddedPostgresFailed(folder, words_of(_tail(log), "PANIC:", "FATAL:"))


def _tail(log: Path) -> bytes:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST))
        return file.read()


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Give the URL of the server over the cluster in ``folder``, which holds until the block ends."""
    path = str(folder)
    if len(os.fsencode(f"{path}/{_SOCKET}")) <= _LONGEST_SOCKET and _PLAIN.fullmatch(path):
        yield _url(path)
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _url(f"/proc/self/fd/{opened}")
    finally:
        os.close(opened)


def _url(socket_folder: str) -> str:
    return f"postgresql://{SUPERUSER}@/postgres?host={quote(socket_folder, safe='')}&port={_PORT}"
