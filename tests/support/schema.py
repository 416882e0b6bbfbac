"""``schema.sql``: the schema of today, read from the catalogues of a migrated throw-away database.

``python -m tests.support.schema`` writes it anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from shared.database import migrate as migrating
from shared.database.migrate import migrate, migrations
from tests.support.postgres import throwaway_postgres

FILE = Path(migrating.__file__).with_name("schema.sql")

_HEADING = """\
-- The schema of today, made from the migrations by `make schema`: do not edit it. Tables are in the order of
-- their making; above each are the migrations that say why it is so. The functions that triggers call are in
-- functions.sql.
"""
_SHORTER = (
    (r" ON public\.", " ON "),
    (r" USING btree \(", " ("),
    (r"timestamp with time zone", "timestamptz"),
    (r"('[^']*')::(?:text|jsonb)(\[\])?", r"\1"),
    (r"= ANY \(ARRAY\[([^\]]*)\]\)", r"IN (\1)"),
)
_BY_MIGRATE = "made by migrate itself"

_TABLES = """
SELECT oid, relname AS name, relpersistence = 'u' AS unlogged FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY relname LIKE 'schema_%', oid
"""
_COLUMNS = """
SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attidentity = 'a' AS counted,
    attnotnull AS required, pg_get_expr(adbin, adrelid, true) AS preset,
    CASE WHEN attcollation <> typcollation THEN collname END AS collation
FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid LEFT JOIN pg_collation c ON c.oid = attcollation
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_CONSTRAINTS = """
SELECT 'CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid, true) FROM pg_constraint
WHERE conrelid = $1 AND contype IN ('p', 'u', 'c', 'f', 'x')
ORDER BY position(contype::text IN 'pucxf'), conname
"""
_INDEXES = """
SELECT pg_get_indexdef(indexrelid, 0, true) FROM pg_index
WHERE indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')
ORDER BY indexrelid::regclass::text
"""
_TRIGGERS = """
SELECT pg_get_triggerdef(oid, true) FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal ORDER BY tgname
"""
_VIEWS = """
SELECT relname AS name, pg_get_viewdef(oid, true) AS query FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'v' ORDER BY relname
"""


async def schema(url: str) -> str:
    """Describe the database at ``url`` by the statements that make its tables and views."""
    async with _connected(url) as connection:
        tables = [await _table(connection, row) for row in await connection.fetch(_TABLES)]
        views = [
            f"{_origin(row['name'])}CREATE VIEW {row['name']} AS\n{row['query']}\n"
            for row in await connection.fetch(_VIEWS)
        ]
    return _plain("\n\n".join([_HEADING, *tables, *views]))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _table(connection: asyncpg.Connection[asyncpg.Record], table: asyncpg.Record) -> str:
    oid, name = table["oid"], table["name"]
    rows = await connection.fetch(_COLUMNS, oid)
    columns = list(_columns([dict(row) for row in rows]))
    constraints = [row[0] for row in await connection.fetch(_CONSTRAINTS, oid)]
    kind = "UNLOGGED TABLE" if table["unlogged"] else "TABLE"
    body = ",\n".join(f"    {line}" for line in [*columns, *constraints])
    after = [row[0] for query in (_INDEXES, _TRIGGERS) for row in await connection.fetch(query, oid)]
    statements = [f"CREATE {kind} {name} (\n{body}\n)", *map(_broken, after)]
    return _origin(name) + "".join(f"{statement};\n" for statement in statements)


def _columns(columns: list[dict[str, str | None]]) -> Iterator[str]:
    width = max(len(str(column["name"])) for column in columns)
    for column in columns:
        yield f"{column['name'] or '':{width}} {' '.join(_traits(column))}"


def _traits(column: dict[str, str | None]) -> Iterator[str]:
    yield str(column["type"])
    if column["collation"]:
        yield f'COLLATE "{column["collation"]}"'
    if column["counted"]:
        yield "GENERATED ALWAYS AS IDENTITY"
    elif column["required"]:
        yield "NOT NULL"
    if column["preset"]:
        yield f"DEFAULT {column['preset']}"


def _broken(statement: str) -> str:
    return re.sub(r" (FOR EACH ROW|WHERE) ", r"\n    \1 ", statement)


def _plain(sql: str) -> str:
    """Write what Postgres spells out as a person writes it."""
    for pattern, short in _SHORTER:
        sql = re.sub(pattern, short, sql)
    return sql


def _origin(name: str) -> str:
    """Name the migrations that speak of a table or view in a statement of its own."""
    of = re.compile(
        rf"(?:(?:TABLE|VIEW)|CREATE (?:UNIQUE )?INDEX \w+ ON) (?:IF (?:NOT )?EXISTS )?{name}\b", re.ASCII
    )
    found = [f"{step.number:04}_{step.name}" for step in migrations() if of.search(step.up)]
    return f"-- {', '.join(found) or _BY_MIGRATE}\n"


async def _write() -> None:
    with throwaway_postgres() as server:
        async with server.database() as url:
            await migrate(url)
            FILE.write_text(await schema(url))


if __name__ == "__main__":
    asyncio.run(_write())
