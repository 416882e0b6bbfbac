"""Suspects: the objects that may have become garbage, so that nobody has to look through all others.

An object is one from its registration on, and again with each reference that goes: triggers write it down in
the transaction that does it (``functions.sql``). The collector takes those that are due. It forgets those
that something refers to for good, and puts the others back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.database.pool import Connection
from shared.ledger.objects import NAMED, UNREFERRED, StoredObject

AT_ONCE = 500

TAKE = f"""DELETE FROM suspects WHERE id = ANY(ARRAY(
    SELECT id FROM suspects WHERE due_at <= now() ORDER BY due_at LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED))
RETURNING object_id"""  # noqa: S608  # fixed texts

# What a job alone refers to ends with it, without a word: it is looked at again and again until then.
PUT_BACK = f"""INSERT INTO suspects (object_id, due_at)
SELECT id, CASE WHEN state <> 'deleting' AND touched_at > now() - $2::interval THEN touched_at ELSE now() END
    + $2::interval
FROM objects o WHERE id = ANY($1) AND NOT ({NAMED})"""  # noqa: S608  # fixed texts

# A find_blob in the meantime touches the row. Postgres then evaluates this condition again on the new row
# (READ COMMITTED), and it no longer holds.
MARK = f"""UPDATE objects o SET state = 'deleting', touched_at = now()
WHERE id = ANY($1) AND state <> 'deleting' AND touched_at < now() - $2::interval AND {UNREFERRED}"""  # noqa: S608  # fixed texts

MARKED = f"""SELECT id, key FROM objects o
WHERE id = ANY($1) AND state = 'deleting' AND touched_at < now() - $2::interval AND {UNREFERRED}"""  # noqa: S608  # fixed texts


@dataclass(frozen=True, slots=True)
class Looked:
    """How many suspects were looked at, and those that are garbage by now."""

    count: int
    garbage: Sequence[StoredObject]


async def look(db: Connection, *, grace: timedelta) -> Looked:
    """Look at up to 500 suspects that are due, in a transaction, and mark those that are unreferred.

    Garbage was marked at least ``grace`` ago. It stays suspect until it is collected.
    """
    taken = [row["object_id"] for row in await db.fetch(TAKE)]
    if not taken:
        return Looked(0, ())
    # Statements of their own: each sees the references as they were after the suspects were taken. One that
    # goes later makes a suspect anew.
    garbage = await db.fetch(MARKED, taken, grace)
    await db.execute(MARK, taken, grace)
    await db.execute(PUT_BACK, taken, grace)
    return Looked(len(taken), [StoredObject(row["id"], row["key"]) for row in garbage])
