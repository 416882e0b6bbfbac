"""The connection pool, and the types of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import msgspec
from asyncpg.connection import LoggedQuery
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

from shared.database.outages import DATABASE_ERRORS, USELESS, DatabaseUnreachable

Row: TypeAlias = asyncpg.Record
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Database: TypeAlias = "Pool | Connection"
"""A pool (each query on its own) or a connection (queries of one transaction)."""

OnQuery = Callable[[LoggedQuery], None]
"""Called with each query that has ended, in the context of its caller."""

_JSONB_VERSION = b"\x01"
"""The version before the text in the binary form of jsonb, which is the only form that COPY accepts."""

_SERVER_SETTINGS = {"idle_in_transaction_session_timeout": "30s"}
"""A process that is frozen in the middle of a transaction must not hold its locks for ever."""


class _Use(PoolAcquireContext):
    """A use of a connection that tells of its task's cancellation, whatever the connection does meanwhile.

    Where the connection is lost as well, a rollback fails, and that failure would take the place of the
    CancelledError: a loop that lives on after failures of the database would then never stop.

    A connection that is of no more use is not given back: it would fail whoever gets it next.
    """

    async def __aexit__(self, *raised: object) -> None:
        if self.connection is not None and any(isinstance(part, USELESS) for part in raised):
            self.connection.terminate()
        try:
            await super().__aexit__(*raised)
        except DATABASE_ERRORS as error:
            _raise_cancellation(error)
            raise
        _raise_cancellation(*raised)


def _raise_cancellation(*raised: object) -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling() and any(isinstance(part, DATABASE_ERRORS) for part in raised):
        raise asyncio.CancelledError


class _Pool(asyncpg.Pool):
    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext[asyncpg.Record]:
        return _Use(self, timeout)


async def prepare(connection: Connection) -> None:
    """Map jsonb columns to plain Python values on this connection."""
    await connection.set_type_codec(
        "jsonb", encoder=_encode, decoder=_decode, schema="pg_catalog", format="binary"
    )


def _encode(value: object) -> bytes:
    return _JSONB_VERSION + msgspec.json.encode(value)


def _decode(data: bytes) -> object:
    return msgspec.json.decode(memoryview(data)[1:])


async def _keep(_connection: Connection) -> None:
    """Leave the session as it is, as nobody changes one of the pool; asyncpg ends an open transaction itself.

    By default it would send a query after each use, a third of all. Who needs a lock, a setting or a channel
    for longer than a transaction opens a ``session``.
    """


@asynccontextmanager
async def database(url: str, *, size: int = 10, on_query: OnQuery | None = None) -> AsyncIterator[Pool]:
    """Open a pool of at most ``size`` connections; ``on_query`` is called with every query that has ended."""

    async def init(connection: Connection) -> None:
        await prepare(connection)
        if on_query is not None:
            connection.add_query_logger(on_query)

    async with _Pool(
        url, min_size=1, max_size=size, max_queries=50_000, max_inactive_connection_lifetime=300, loop=None,
        connection_class=asyncpg.Connection, record_class=asyncpg.Record, connect=connect, init=init,
        reset=_keep, command_timeout=60, server_settings=_SERVER_SETTINGS,
    ) as pool:  # fmt: skip
        yield pool


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Connection]:
    """Open one connection outside of the pool, for a single user. Raises DatabaseUnreachable."""
    connection = await connect(url, command_timeout=60, server_settings=_SERVER_SETTINGS)
    try:
        await prepare(connection)
        yield connection
    finally:
        connection.terminate()  # without a wait: the connection may be lost


async def connect(*address: Any, **options: Any) -> asyncpg.Connection[asyncpg.Record]:  # noqa: ANN401  # the pool's
    """Open a connection, which the caller closes. Raises DatabaseUnreachable."""
    try:
        return await asyncpg.connect(*address, **options)
    except OSError as error:
        raise DatabaseUnreachable(str(error)) from error


@asynccontextmanager
async def one_moment(pool: Pool) -> AsyncIterator[Connection]:
    """Give a read-only connection on which all queries see the same moment."""
    async with pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
        yield db
