"""Numbered SQL migrations, ``NNNN_name.up.sql`` and ``.down.sql``, which reverts it; then the functions.

Each runs in a transaction of its own, under one advisory lock, so that any number of services may start at
once. The table ``schema_migrations`` lists those that have run.

Functions and triggers are in ``functions.sql``, whose first line names a migration. The rule:

- A schema at that migration or a newer one has the functions of the file. They are loaded after the last
  step, where the file has changed.
- A schema below it has the functions that its migrations made. They are restored before the first step down,
  so that each migration finds what it found when it was written.
- A database that has migrations or functions of a newer version keeps its functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from shared.database import functions
from shared.database.pool import connect

_LOCK = 0x63726F7373646F63
_LEDGER = """
CREATE TABLE schema_migrations (
    number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, with its SQL in both directions."""

    number: int
    name: str
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """The numbers of the steps taken, in order, and whether the functions were loaded."""

    steps: list[int]
    functions: bool


def migrations() -> list[Migration]:
    """Read every migration that the package contains, in ascending order."""
    return sorted(_read(), key=lambda migration: migration.number)


def _read() -> Iterator[Migration]:
    folder = files(__package__) / "migrations"
    for up in folder.iterdir():
        if up.name.endswith(".up.sql"):
            name = up.name.removesuffix(".up.sql")
            down = folder / f"{name}.down.sql"
            yield Migration(int(name[:4]), name[5:], up.read_text(), down.read_text())


async def migrate(url: str, *, to: int | None = None) -> MigrationReport:
    """Bring the schema to migration ``to``: the newest for None, an empty schema for 0.

    Where nothing is to be done, rights to read are enough. Raises DatabaseUnreachable.
    """
    connection = await connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        return await _migrate(connection, to)
    finally:
        await connection.close()


async def _migrate(connection: asyncpg.Connection[asyncpg.Record], to: int | None) -> MigrationReport:
    await _make_missing(connection, "schema_migrations", _LEDGER)
    await _make_missing(connection, "schema_functions", functions.LEDGER)
    done = {row["number"] for row in await connection.fetch("SELECT number FROM schema_migrations")}
    known = migrations()
    target = known[-1].number if to is None else to
    since = functions.functions_file().since
    if target < since:
        await functions.restore_former(connection)
    steps = await _walk(connection, done, target)
    if target < since or done - {step.number for step in known}:
        return MigrationReport(steps, functions=False)
    former = functions.names_of_functions("\n".join(step.up for step in known))
    return MigrationReport(steps, functions=await functions.load(connection, former=former))


async def _make_missing(connection: asyncpg.Connection[asyncpg.Record], table: str, statement: str) -> None:
    """Make a table that is missing. Postgres asks for the right to make one even if it is there."""
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", table):
        await connection.execute(statement)


async def _walk(connection: asyncpg.Connection[asyncpg.Record], done: set[int], target: int) -> list[int]:
    known = migrations()
    upward = [step for step in known if step.number <= target and step.number not in done]
    downward = [step for step in reversed(known) if step.number > target and step.number in done]
    for step in upward:
        await _apply(
            connection, step.up, "INSERT INTO schema_migrations VALUES ($1, $2)", step.number, step.name
        )
    for step in downward:
        await _apply(connection, step.down, "DELETE FROM schema_migrations WHERE number = $1", step.number)
    return [step.number for step in upward + downward]


async def _apply(
    connection: asyncpg.Connection[asyncpg.Record], sql: str, ledger: str, *entry: object
) -> None:
    async with connection.transaction():
        await connection.execute(sql)
        await connection.execute(ledger, *entry)
