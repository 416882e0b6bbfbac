"""The quarantine of a snapshot: the lines that were refused, each with its reason, so that none is lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from shared.database.pool import Connection, Database, Row
from shared.errors import ArchiveError
from shared.gitlab.layout import relation_file, relation_of

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that are kept; of a longer one only the size is."""

MOST_BYTES = 32 * 1024 * 1024
"""Bytes of all lines of a snapshot that are kept; of further lines only the size is."""

MOST_LINES = 100_000
"""Lines of a snapshot; an import fails at as many."""

_LONGEST_REASON = 255
_AT_ONCE = 100
_COLUMNS = ("name", "line", "code", "reason", "size", "bytes")


class QuarantineFull(ArchiveError):
    """The project has as many refused lines as it may have: repair some of them, or discard them."""

    code = "quarantine_full"

    def __init__(self) -> None:
        super().__init__(f"over the limit of {MOST_LINES} refused lines")


class QuarantinedLine(NamedTuple):
    """A refused line without its newline: its number from 0 on, and why, as a code and in words.

    ``size`` is in bytes; ``data`` is None where they were too many, or are not read. Postgres gives the
    ``id``, and tells whether the bytes are there.
    """

    relation: str
    line: int
    code: str
    reason: str
    size: int
    data: bytes | None
    id: int = 0
    has_bytes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRelation:
    """The refused lines of a relation: how many, by the codes of their reasons, and their bytes.

    The bytes of ``not_kept`` of them were too many to be kept.
    """

    relation: str
    lines: int
    size: int
    not_kept: int
    codes: Mapping[str, int]


class QuarantineBound:
    """Drops the bytes of lines over the limits; counts those that it keeps."""

    def __init__(self) -> None:
        self._left = MOST_BYTES

    def keep(self, lines: Sequence[QuarantinedLine]) -> list[QuarantinedLine]:
        """Give the lines, without their bytes where these are too many."""
        return [self._keep(line) for line in lines]

    def _keep(self, line: QuarantinedLine) -> QuarantinedLine:
        if line.data is None:
            return line
        if line.size > LONGEST_LINE or line.size > self._left:
            return line._replace(data=None)
        self._left -= line.size
        return line


async def add(db: Connection, snapshot_id: int, lines: Sequence[QuarantinedLine]) -> None:
    """Write lines."""
    if lines:
        await db.copy_records_to_table(
            "quarantined_lines",
            columns=("snapshot_id", *_COLUMNS),
            records=[(snapshot_id, *_row(each)) for each in lines],
        )


def _row(line: QuarantinedLine) -> tuple[object, ...]:
    reason = line.reason.replace("\0", "\\u0000")[:_LONGEST_REASON]
    return _file_of(line.relation), line.line, line.code, reason, line.size, line.data


_file_of = lru_cache(maxsize=64)(relation_file)


async def share(db: Database, *, base: int, snapshot_id: int, but: Sequence[int] = ()) -> None:
    """Copy the lines of ``base``, except those with the ids ``but``, to a snapshot. They keep their ids."""
    named = ", ".join(("id", *_COLUMNS))
    await db.execute(
        f"""INSERT INTO quarantined_lines (snapshot_id, {named})
            SELECT $2, {named} FROM quarantined_lines WHERE snapshot_id = $1 AND id <> ALL ($3)""",  # noqa: S608  # fixed texts
        base, snapshot_id, but,
    )  # fmt: skip


async def move(db: Connection, *, base: int, snapshot_id: int) -> bool:
    """Move the lines of ``base`` to another open snapshot; tell whether there are any."""
    moved = await db.execute(
        "UPDATE quarantined_lines SET snapshot_id = $2 WHERE snapshot_id = $1", base, snapshot_id
    )
    return not moved.endswith(" 0")


async def settle(db: Connection, snapshot_id: int) -> None:
    """Hold the lines of a snapshot, which have come from several places, to the limits.

    A line that has come twice is kept once. Raises QuarantineFull.
    """
    await db.execute(
        """DELETE FROM quarantined_lines q WHERE snapshot_id = $1 AND EXISTS (
               SELECT FROM quarantined_lines p WHERE p.snapshot_id = $1 AND p.id < q.id
               AND (p.name, p.line, p.size) = (q.name, q.line, q.size)
               AND p.bytes IS NOT DISTINCT FROM q.bytes)""",
        snapshot_id,
    )
    if await count(db, snapshot_id) > MOST_LINES:
        raise QuarantineFull
    await db.execute(
        """UPDATE quarantined_lines q SET bytes = NULL
           FROM (SELECT id, sum(size) OVER (ORDER BY id) AS total FROM quarantined_lines
                 WHERE snapshot_id = $1 AND bytes IS NOT NULL) s
           WHERE q.snapshot_id = $1 AND q.id = s.id AND s.total > $2""",
        snapshot_id, MOST_BYTES,
    )  # fmt: skip


async def count(db: Database, snapshot_id: int) -> int:
    """Count the lines of a snapshot."""
    found: int = await db.fetchval(
        "SELECT count(*) FROM quarantined_lines WHERE snapshot_id = $1", snapshot_id
    )
    return found


async def list_lines(
    db: Database,
    snapshot_id: int,
    *,
    after: int,
    limit: int,
    relation: str | None = None,
    with_bytes: bool = False,
) -> list[QuarantinedLine]:
    """List up to ``limit`` lines, of one relation or of all, by ascending id from behind ``after`` on."""
    rows = await db.fetch(
        """SELECT id, name, line, code, reason, size, CASE WHEN $5 THEN bytes END AS bytes,
                  bytes IS NOT NULL AS has_bytes
           FROM quarantined_lines WHERE snapshot_id = $1 AND id > $2 AND ($3::text IS NULL OR name = $3)
           ORDER BY id LIMIT $4""",
        snapshot_id, after, relation and relation_file(relation), limit, with_bytes,
    )  # fmt: skip
    return [_line(row) for row in rows]


async def find_lines(db: Database, snapshot_id: int, ids: Sequence[int]) -> list[QuarantinedLine]:
    """Find lines by their ids, without their bytes, by ascending id."""
    rows = await db.fetch(
        """SELECT id, name, line, code, reason, size, NULL::bytea AS bytes, bytes IS NOT NULL AS has_bytes
           FROM quarantined_lines WHERE snapshot_id = $1 AND id = ANY ($2) ORDER BY id""",
        snapshot_id, ids,
    )  # fmt: skip
    return [_line(row) for row in rows]


async def replace_lines(db: Connection, snapshot_id: int, lines: Sequence[QuarantinedLine]) -> None:
    """Give lines, by their ids, other bytes and reasons, as far as they are still there."""
    bound = QuarantineBound()
    await db.executemany(
        """UPDATE quarantined_lines SET code = $3, reason = $4, size = $5, bytes = $6
           WHERE snapshot_id = $1 AND id = $2""",
        [(snapshot_id, each.id, *_row(each)[2:]) for each in bound.keep(lines)],
    )


async def read_lines(
    db: Database, snapshot_id: int, *, relation: str | None = None
) -> AsyncGenerator[list[QuarantinedLine], None]:
    """Give all lines, of one relation or of all, by ascending id, a hundred at a time: 32 MiB at most."""
    after = 0
    while found := await list_lines(
        db, snapshot_id, after=after, limit=_AT_ONCE, relation=relation, with_bytes=True
    ):
        yield found
        after = found[-1].id


def _line(row: Row) -> QuarantinedLine:
    return QuarantinedLine(
        id=row["id"],
        relation=relation_of(row["name"]) or "",
        line=row["line"],
        code=row["code"],
        reason=row["reason"],
        size=row["size"],
        data=row["bytes"],
        has_bytes=row["has_bytes"],
    )


async def count_by_relation(db: Database, snapshot_id: int) -> list[QuarantinedRelation]:
    """Count the lines of each relation that has any, in the order of their names."""
    rows = await db.fetch(
        """SELECT name, sum(lines)::bigint AS lines, sum(size)::bigint AS size,
                  sum(left_out)::bigint AS left_out, jsonb_object_agg(code, lines) AS codes
           FROM (SELECT name, code, count(*) AS lines, sum(size) AS size,
                        count(*) FILTER (WHERE bytes IS NULL) AS left_out
                 FROM quarantined_lines WHERE snapshot_id = $1 GROUP BY name, code) c
           GROUP BY name ORDER BY name""",
        snapshot_id,
    )
    return [
        QuarantinedRelation(
            relation=relation_of(row["name"]) or "",
            lines=row["lines"],
            size=row["size"],
            not_kept=row["left_out"],
            codes=row["codes"],
        )
        for row in rows
    ]


async def discard(
    db: Database, snapshot_id: int, *, relation: str | None = None, line_id: int | None = None
) -> int:
    """Delete one line, those of one relation, or all; give how many."""
    deleted = await db.execute(
        """DELETE FROM quarantined_lines WHERE snapshot_id = $1 AND ($2::text IS NULL OR name = $2)
           AND ($3::bigint IS NULL OR id = $3)""",
        snapshot_id, relation and relation_file(relation), line_id,
    )  # fmt: skip
    return int(deleted.rpartition(" ")[2])
