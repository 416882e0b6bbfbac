"""What is kept of an archive with its groups, attributes and relations that have no other place; exports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from asyncpg import ForeignKeyViolationError

from shared.accounts.errors import NamespaceGone
from shared.accounts.models import Namespace
from shared.accounts.namespaces import namespace_of
from shared.archive.limits import MIB
from shared.database.pool import Connection, Database, Pool

_LINES_AT_ONCE = 1000
_BYTES_AT_ONCE = MIB


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line of a relation of a group; ``number`` gives the order of lines."""

    namespace_id: int
    relation: str
    number: int
    line: bytes


async def keep_document(db: Database, namespace_id: int, document: bytes) -> None:
    """Keep the attributes of a group as they came."""
    await db.execute(
        "INSERT INTO group_documents (namespace_id, document) VALUES ($1, $2)", namespace_id, document
    )


async def keep_lines(db: Connection, lines: Sequence[KeptLine]) -> None:
    """Keep lines of relations."""
    await db.execute(
        """INSERT INTO group_lines (namespace_id, relation, number, line)
           SELECT * FROM unnest($1::bigint[], $2::text[], $3::int[], $4::bytea[])""",
        [each.namespace_id for each in lines],
        [each.relation for each in lines],
        [each.number for each in lines],
        [each.line for each in lines],
    )


async def drop_relation(db: Connection, namespace_id: int, relation: str) -> None:
    """Drop the lines of a relation that another file replaces."""
    await db.execute(
        "DELETE FROM group_lines WHERE namespace_id = $1 AND relation = $2", namespace_id, relation
    )


async def list_below(db: Database, namespace_id: int) -> list[int]:
    """List the ids of a group and of all groups below it, by their depth."""
    rows = await db.fetch(
        """WITH RECURSIVE below AS (
               SELECT id, 0 AS depth FROM namespaces WHERE id = $1
               UNION ALL SELECT n.id, b.depth + 1 FROM namespaces n JOIN below b ON n.parent_id = b.id)
           SELECT id FROM below ORDER BY depth, id""",
        namespace_id,
    )
    return [row["id"] for row in rows]


async def find_kept(db: Database, namespace_id: int) -> tuple[Namespace, bytes | None] | None:
    """Find a group, with its attributes as they came, if it came with an archive."""
    row = await db.fetchrow(
        """SELECT n.*, d.document FROM namespaces n LEFT JOIN group_documents d ON d.namespace_id = n.id
           WHERE n.id = $1""",
        namespace_id,
    )
    return None if row is None else (namespace_of(row), row["document"])


async def relation_sizes(db: Database, namespace_id: int) -> dict[str, int]:
    """Give the bytes of each relation of a group that is kept, line feeds included."""
    rows = await db.fetch(
        """SELECT relation, sum(length(line) + 1)::bigint AS size FROM group_lines WHERE namespace_id = $1
           GROUP BY relation ORDER BY relation""",
        namespace_id,
    )
    return {row["relation"]: row["size"] for row in rows}


async def read_lines(db: Database, namespace_id: int, relation: str) -> AsyncGenerator[list[bytes], None]:
    """Give the lines of a relation in their order, a page at a time: 1 MiB and one line more at most."""
    behind = -1
    while rows := await db.fetch(
        """SELECT number, line FROM (
               SELECT number, line, sum(length(line)) OVER (ORDER BY number) - length(line) AS before
               FROM (SELECT number, line FROM group_lines
                     WHERE namespace_id = $1 AND relation = $2 AND number > $3
                     ORDER BY number LIMIT $4) page) measured
           WHERE before < $5 ORDER BY number""",
        namespace_id, relation, behind, _LINES_AT_ONCE, _BYTES_AT_ONCE,
    ):  # fmt: skip
        yield [row["line"] for row in rows]
        behind = rows[-1]["number"]


async def ask_for_export(db: Database, namespace_id: int, user_id: int, *, lasting: timedelta) -> None:
    """Note that a user has asked for an export, which can be downloaded for so long.

    Raises NamespaceGone.
    """
    try:
        await db.execute(
            """INSERT INTO group_exports (namespace_id, user_id, expires_at) VALUES ($1, $2, now() + $3)
               ON CONFLICT (namespace_id, user_id) DO UPDATE SET expires_at = excluded.expires_at""",
            namespace_id, user_id, lasting,
        )  # fmt: skip
    except ForeignKeyViolationError:
        raise NamespaceGone from None


async def has_export(db: Database, namespace_id: int, user_id: int) -> bool:
    """Tell whether the user has asked for an export that has not expired."""
    found = await db.fetchval(
        "SELECT true FROM group_exports WHERE namespace_id = $1 AND user_id = $2 AND expires_at > now()",
        namespace_id, user_id,
    )  # fmt: skip
    return found is not None


class GroupExportExpiry:
    """Removes exports of groups whose time is over. Every reader compares the time itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remove_exports(self) -> int:
        """Remove what has expired; give how many."""
        gone = await self._pool.fetch("DELETE FROM group_exports WHERE expires_at <= now() RETURNING user_id")
        return len(gone)
