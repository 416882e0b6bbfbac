"""Who appears in a snapshot, counted once and kept with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.database.pool import Database, Pool, Row
from shared.people.appearances import Appearance

_COLUMNS = ("snapshot_id", "source_id", "username", "name", "public_email", "records")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUser:
    """Somebody whom records name, by the id at the server that they come from.

    ``records`` counts the records that do, by their kind. The public e-mail is known of members at most.
    """

    id: int
    username: str | None
    name: str | None
    public_email: str | None
    records: Mapping[str, int]


async def count_people(db: Database, snapshot_id: int) -> int | None:
    """Give how many people appear in a snapshot; None where they were not counted."""
    counted: int | None = await db.fetchval("SELECT people FROM snapshots WHERE id = $1", snapshot_id)
    return counted


async def list_people(db: Database, snapshot_id: int, *, after: int, limit: int) -> list[SourceUser]:
    """List people in the order of their ids, from the one behind ``after`` on."""
    rows = await db.fetch(
        """SELECT * FROM snapshot_people WHERE snapshot_id = $1 AND source_id > $2
           ORDER BY source_id LIMIT $3""",
        snapshot_id, after, limit,
    )  # fmt: skip
    return [_person(row) for row in rows]


def _person(row: Row) -> SourceUser:
    return SourceUser(
        id=row["source_id"],
        username=row["username"],
        name=row["name"],
        public_email=row["public_email"],
        records=row["records"],
    )


async def keep_people(pool: Pool, snapshot_id: int, people: Mapping[int, Appearance]) -> None:
    """Keep who appears in a snapshot, unless others have done that. Nothing is kept of one that is gone."""
    async with pool.acquire() as db, db.transaction():
        is_first = await db.fetchval(
            "UPDATE snapshots SET people = $2 WHERE id = $1 AND people IS NULL RETURNING true",
            snapshot_id, len(people),
        )  # fmt: skip
        if is_first:
            await db.copy_records_to_table(
                "snapshot_people", columns=_COLUMNS, records=_rows(snapshot_id, people)
            )


def _rows(snapshot_id: int, people: Mapping[int, Appearance]) -> Sequence[tuple[object, ...]]:
    return [
        (snapshot_id, number, each.username, each.name, each.public_email, each.records)
        for number, each in people.items()
    ]
