"""The functions and triggers of the database: ``functions.sql`` has all of them, in their current form.

There are two sets of functions, of which one is installed at a time:

- The migrations up to 19 create functions, as they were then. Those are installed below the migration that
  the first line of ``functions.sql`` names, so that the migrations work in both directions.
- ``functions.sql`` is installed from that migration on. ``load`` puts it in place of the installed set, and
  keeps the definitions that the migrations made; ``restore_former`` puts those in place again.

Each exchange is one transaction: a service that runs meanwhile sees the one set or the other, never none. The
table ``schema_functions`` has one row while ``functions.sql`` is installed, and none otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from importlib.resources import files
from typing import TypeAlias

import asyncpg
import stamina

_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LEDGER = """
CREATE TABLE schema_functions (
    version integer NOT NULL, digest text NOT NULL, names text[] NOT NULL, former text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now())
"""
"""What is installed: version, digest and names of the file, and the SQL of the functions before it."""

_HEADING = re.compile(r"-- Version (\d+), for migration (\d+) and newer\.\n")
_FUNCTION = re.compile(r"^CREATE (?:OR REPLACE )?FUNCTION (?:\w+\.)?(\w+)", re.MULTILINE)
_FORMER = """
SELECT coalesce(string_agg(definition, E';\n' ORDER BY rank, definition), '') FROM (
    SELECT 1 AS rank, pg_get_functiondef(oid) AS definition FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proname = ANY($1)
    UNION ALL
    SELECT 2, replace(pg_get_triggerdef(t.oid), 'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER')
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT tgisinternal AND p.pronamespace = current_schema()::regnamespace AND p.proname = ANY($1)) found
"""
_TABLES = """
SELECT t.tgrelid::regclass::text AS name, bool_or(p.proname = ANY($2)) AS loses_triggers
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT tgisinternal AND p.pronamespace = current_schema()::regnamespace AND p.proname = ANY($1)
GROUP BY t.tgrelid ORDER BY t.tgrelid
"""
_CALLED = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace AND proname = ANY($1) AND prorettype <> 'trigger'::regtype
"""
_PATIENCE = timedelta(minutes=1)
_LOCKED = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_SHORT_WAITS = "SET LOCAL lock_timeout = '200ms'"
"""Writers queue behind a table lock that is waited for, so the wait is short.

With four tables the exchange also gives up before Postgres looks for deadlocks (after 1 s), so that it is
never a service that a deadlock ends.
"""


@dataclass(frozen=True, slots=True)
class FunctionsFile:
    """``functions.sql``: its version, and the migration that it needs."""

    version: int
    since: int
    sql: str

    def is_newer_than(self, loaded: asyncpg.Record | None) -> bool:
        """Tell whether it replaces the installed file: a version in development keeps its number."""
        if loaded is None or self.version > loaded["version"]:
            return True
        return bool(self.version == loaded["version"] and self.digest != loaded["digest"])

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return sha256(self.sql.encode()).hexdigest()


def functions_file() -> FunctionsFile:
    """Read the file that the package contains."""
    sql = (files(__package__) / "functions.sql").read_text()
    heading = _HEADING.match(sql)
    if heading is None:
        raise ValueError("functions.sql has to begin with its version and the migration that it needs")
    return FunctionsFile(int(heading[1]), int(heading[2]), sql)


def names_of_functions(sql: str) -> set[str]:
    """Give the names of the functions that these statements create."""
    return set(_FUNCTION.findall(sql))


async def load(connection: _Connection, *, former: AbstractSet[str]) -> bool:
    """Install ``functions.sql``, unless it is installed already, or a newer version is.

    ``former`` are the names that migrations give to functions. Tells whether anything was done. Raises
    LockNotAvailableError where the tables were in use for a minute.
    """
    file = functions_file()
    loaded = await connection.fetchrow("SELECT * FROM schema_functions")
    if not file.is_newer_than(loaded):
        return False
    async for attempt in stamina.retry_context(on=_LOCKED, attempts=None, timeout=_PATIENCE):
        with attempt:
            await _replace(connection, file, loaded, former)
    return True


async def _replace(
    connection: _Connection, file: FunctionsFile, loaded: asyncpg.Record | None, former: AbstractSet[str]
) -> None:
    names = names_of_functions(file.sql)
    async with connection.transaction():
        definitions = loaded["former"] if loaded else await connection.fetchval(_FORMER, list(former))
        await _exchange(connection, {*(loaded["names"] if loaded else former), *names}, file.sql)
        await connection.execute(
            "INSERT INTO schema_functions VALUES ($1, $2, $3, $4)",
            file.version, file.digest, sorted(names), definitions,
        )  # fmt: skip


async def restore_former(connection: _Connection) -> None:
    """Install the functions that the migrations made, in place of those of the file, of any version."""
    loaded = await connection.fetchrow("SELECT * FROM schema_functions")
    if loaded is None:
        return
    async for attempt in stamina.retry_context(on=_LOCKED, attempts=None, timeout=_PATIENCE):
        with attempt:
            async with connection.transaction():
                await connection.execute("SET LOCAL check_function_bodies = off")  # they are in no order
                await _exchange(connection, set(loaded["names"]), loaded["former"])


async def _exchange(connection: _Connection, old: AbstractSet[str], sql: str) -> None:
    """Create functions and triggers, and drop those of ``old`` that are not among them."""
    obsolete = old - names_of_functions(sql)
    await connection.execute(_SHORT_WAITS)
    await _lock(connection, old, obsolete)
    # CREATE OR REPLACE cannot change parameters; functions of triggers have none.
    called = [row[0] for row in await connection.fetch(_CALLED, list(old))]
    for name in (*called, *sorted(obsolete)):
        await connection.execute(f"DROP FUNCTION IF EXISTS {name} CASCADE")
    await connection.execute(sql)
    await connection.execute("DELETE FROM schema_functions")


async def _lock(connection: _Connection, old: AbstractSet[str], obsolete: AbstractSet[str]) -> None:
    """Lock out writers, table by table in the order of their creation, as most transactions do.

    Readers are locked out only where a trigger is dropped.
    """
    for table in await connection.fetch(_TABLES, list(old), list(obsolete)):
        mode = "ACCESS EXCLUSIVE" if table["loses_triggers"] else "SHARE ROW EXCLUSIVE"
        await connection.execute(f"LOCK TABLE {table['name']} IN {mode} MODE")
