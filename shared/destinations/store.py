"""Destinations in Postgres."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from asyncpg import UniqueViolationError

from shared.database.pool import Database, Row
from shared.destinations.models import (
    PEERS,
    BucketSettings,
    Destination,
    DestinationKind,
    DestinationSettings,
    PeerSettings,
)
from shared.errors import Conflict

_COLUMNS = "id, user_id, name, kind, settings, sealed_credentials, created_at, updated_at"


class TooManyDestinations(Conflict):
    """The user has as many destinations as one user may have: delete some first."""

    code = "too_many_destinations"

    def __init__(self, limit: int) -> None:
        super().__init__(f"over the limit of {limit} destinations of one user")


class DestinationNameTaken(Conflict):
    """The user has another destination with this name."""

    code = "destination_name_taken"

    def __init__(self) -> None:
        super().__init__("the name of the destination has already been taken")


async def create(
    db: Database,
    *,
    user_id: int,
    name: str,
    kind: DestinationKind,
    settings: DestinationSettings,
    sealed_credentials: bytes,
    limit: int,
) -> Destination:
    """Insert a destination. Raises TooManyDestinations if the user has ``limit``, and DestinationNameTaken.

    In a transaction, it locks the user's row: two creations at once must not both be the last.
    """
    await db.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    try:
        row = await db.fetchrow(
            f"""INSERT INTO destinations (user_id, name, kind, settings, sealed_credentials)
                SELECT $1, $2, $3, $4, $5
                WHERE (SELECT count(*) FROM destinations WHERE user_id = $1) < $6 RETURNING {_COLUMNS}""",  # noqa: S608  # fixed texts
            user_id, name, kind.value, msgspec.to_builtins(settings), sealed_credentials, limit,
        )  # fmt: skip
    except UniqueViolationError:
        raise DestinationNameTaken from None
    if row is None:
        raise TooManyDestinations(limit)
    return _destination(row)


async def find(db: Database, destination_id: int) -> Destination | None:
    """Find a destination."""
    row = await db.fetchrow(f"SELECT {_COLUMNS} FROM destinations WHERE id = $1", destination_id)  # noqa: S608  # fixed texts
    return None if row is None else _destination(row)


async def list_of(
    db: Database, user_id: int | None, *, behind: int | None, limit: int
) -> Sequence[Destination]:
    """List the destinations of a user, or for None of all, with an id over ``behind``; the oldest first."""
    rows = await db.fetch(
        f"""SELECT {_COLUMNS} FROM destinations WHERE ($1::bigint IS NULL OR user_id = $1)
            AND id > coalesce($2, 0) ORDER BY id LIMIT $3""",  # noqa: S608  # fixed texts
        user_id, behind, limit,
    )  # fmt: skip
    return [_destination(row) for row in rows]


async def change(
    db: Database, destination_id: int, *, name: str, settings: DestinationSettings, sealed_credentials: bytes
) -> Destination | None:
    """Change a destination; None where it is gone. Raises DestinationNameTaken."""
    try:
        row = await db.fetchrow(
            f"""UPDATE destinations SET name = $2, settings = $3, sealed_credentials = $4, updated_at = now()
                WHERE id = $1 RETURNING {_COLUMNS}""",  # noqa: S608  # fixed texts
            destination_id, name, msgspec.to_builtins(settings), sealed_credentials,
        )  # fmt: skip
    except UniqueViolationError:
        raise DestinationNameTaken from None
    return None if row is None else _destination(row)


def _destination(row: Row) -> Destination:
    kind = DestinationKind(row["kind"])
    form: type[DestinationSettings] = PeerSettings if kind in PEERS else BucketSettings
    return Destination(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        kind=kind,
        settings=msgspec.convert(row["settings"], form),
        sealed_credentials=row["sealed_credentials"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
