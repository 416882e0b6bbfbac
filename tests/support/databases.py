"""One migrated database for all tests of a process: each test finds it empty, as a new one would be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import asyncpg

from shared.database.migrate import migrate
from tests.support.background import Background, background
from tests.support.postgres import PostgresServer

# Their locks, listeners and transactions end with them.
_END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_EMPTY = r"""
DO $$
DECLARE
    each regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR each IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                AND relname NOT LIKE 'schema\_%' LOOP
        EXECUTE 'DELETE FROM ' || each;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
END $$
"""
# Every statement that changes the schema writes a new version of a row of one of these.
_SCHEMA = """
SELECT sum(hashtextextended(kind || oid || ' ' || xmin, 0)) FROM (
    SELECT 'class', oid, xmin FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'column', attrelid, xmin FROM pg_attribute WHERE attnum > 0
    UNION ALL SELECT 'default', oid, xmin FROM pg_attrdef
    UNION ALL SELECT 'constraint', oid, xmin FROM pg_constraint
    UNION ALL SELECT 'trigger', oid, xmin FROM pg_trigger
    UNION ALL SELECT 'function', oid, xmin FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS rows (kind, oid, xmin)
"""


@dataclass(frozen=True, slots=True)
class _Made:
    name: str
    schema: object
    connection: asyncpg.Connection[asyncpg.Record]


class MigratedDatabase:
    """Lends the same database again and again; a new one where a test changed the schema.

    The connection that empties it stays open, in a loop of its own: to a new one, every table is new.
    """

    def __init__(self, server: PostgresServer, beside: Background) -> None:
        self._server = server
        self._beside = beside
        self._made: _Made | None = None

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[str]:
        """Give the URL of a database with the schema of today, no row, and no other connection."""
        made, self._made = self._made, None
        if made is None:
            made = await self._beside.done(self._make())
        yield self._server.url(made.name)
        self._made = await self._beside.done(self._emptied(made))

    def close(self) -> None:
        if self._made is not None:
            self._beside.run(self._made.connection.close())

    async def _make(self) -> _Made:
        name = await self._server.create()
        await migrate(self._server.url(name))
        connection = await asyncpg.connect(self._server.url(name))
        return _Made(name, await connection.fetchval(_SCHEMA), connection)

    async def _emptied(self, made: _Made) -> _Made | None:
        """What the next test can have, which then has nothing left of this one."""
        if made.connection.is_closed():  # the server was started again
            made = replace(made, connection=await asyncpg.connect(self._server.url(made.name)))
        await made.connection.execute(_END_OTHERS)
        if await made.connection.fetchval(_SCHEMA) != made.schema:
            await made.connection.close()
            await self._server.drop(made.name)
            return None
        await made.connection.execute(_EMPTY)
        return made


@contextmanager
def migrated_databases(server: PostgresServer) -> Iterator[MigratedDatabase]:
    """Lend databases of the server within the block."""
    with background() as beside:
        lending = MigratedDatabase(server, beside)
        yield lending
        lending.close()
