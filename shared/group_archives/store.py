"""What is kept of an archive with its groups: attributes and relations that have no other place here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.database.pool import Connection, Database


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
