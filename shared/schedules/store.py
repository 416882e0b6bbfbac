"""Schedules in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from asyncpg import ForeignKeyViolationError, UniqueViolationError

from shared.catalogue.retention import Policy
from shared.database.pool import Database, Row
from shared.errors import Conflict
from shared.gitlab.relation_selection import RelationSelection
from shared.schedules.models import Schedule, ScheduleOrder, Selection
from shared.schedules.timetable import Timetable

COLUMNS = """id, user_id, name, destination_id, cron, time_zone, selection, retention, into_group, relations,
    next_run_at, created_at, updated_at"""
_SETS = "name, destination_id, cron, time_zone, selection, retention, into_group, relations"


class TooManySchedules(Conflict):
    """The user has as many schedules as one user may have: delete some first."""

    code = "too_many_schedules"

    def __init__(self, limit: int) -> None:
        super().__init__(f"over the limit of {limit} schedules of one user")


class ScheduleNameTaken(Conflict):
    """The user has another schedule with this name."""

    code = "schedule_name_taken"

    def __init__(self) -> None:
        super().__init__("the name of the schedule has already been taken")


class DestinationInUse(Conflict):
    """A schedule sends archives to the destination: delete that, or give it another one, first."""

    code = "destination_in_use"

    def __init__(self, schedule: str) -> None:
        super().__init__(f"{schedule} has this destination")


def schedule_of(row: Row) -> Schedule:
    """Make a schedule of a row with ``COLUMNS``."""
    return Schedule(
        order=ScheduleOrder(
            name=row["name"],
            destination_id=row["destination_id"],
            timetable=Timetable(row["cron"], row["time_zone"]),
            selection=msgspec.convert(row["selection"], Selection),
            retention=msgspec.convert(row["retention"], Policy),
            into=row["into_group"],
            relations=msgspec.convert(row["relations"], RelationSelection | None),
        ),
        **{name: row[name] for name in ("id", "user_id", "next_run_at", "created_at", "updated_at")},
    )


def _values(order: ScheduleOrder) -> tuple[object, ...]:
    return (
        order.name, order.destination_id, order.timetable.cron, order.timetable.time_zone,
        msgspec.to_builtins(order.selection), msgspec.to_builtins(order.retention), order.into,
        None if order.relations is None else msgspec.to_builtins(order.relations),
    )  # fmt: skip


async def create(
    db: Database, order: ScheduleOrder, *, user_id: int, next_run_at: datetime | None, limit: int
) -> Schedule:
    """Insert a schedule. Raises TooManySchedules if the user has ``limit``, and ScheduleNameTaken.

    In a transaction, it locks the user's row: two creations at once must not both be the last.
    """
    await db.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    try:
        row = await db.fetchrow(
            f"""INSERT INTO schedules ({_SETS}, user_id, next_run_at)
                SELECT $1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8::jsonb, $9, $10
                WHERE (SELECT count(*) FROM schedules WHERE user_id = $9) < $11 RETURNING {COLUMNS}""",  # noqa: S608  # fixed texts
            *_values(order), user_id, next_run_at, limit,
        )  # fmt: skip
    except UniqueViolationError:
        raise ScheduleNameTaken from None
    if row is None:
        raise TooManySchedules(limit)
    return schedule_of(row)


async def find(db: Database, schedule_id: int) -> Schedule | None:
    """Find a schedule."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM schedules WHERE id = $1", schedule_id)  # noqa: S608  # fixed texts
    return None if row is None else schedule_of(row)


async def list_of(db: Database, user_id: int | None, *, behind: int | None, limit: int) -> Sequence[Schedule]:
    """List the schedules of a user, or for None of all, with an id over ``behind``; the oldest first."""
    rows = await db.fetch(
        f"""SELECT {COLUMNS} FROM schedules WHERE ($1::bigint IS NULL OR user_id = $1)
            AND id > coalesce($2, 0) ORDER BY id LIMIT $3""",  # noqa: S608  # fixed texts
        user_id, behind, limit,
    )  # fmt: skip
    return [schedule_of(row) for row in rows]


async def change(
    db: Database, schedule_id: int, order: ScheduleOrder, *, next_run_at: datetime | None
) -> Schedule | None:
    """Change a schedule; None where it is gone. Raises ScheduleNameTaken."""
    try:
        row = await db.fetchrow(
            f"""UPDATE schedules SET ({_SETS}, next_run_at, updated_at)
                = ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8::jsonb, $9, now())
                WHERE id = $10 RETURNING {COLUMNS}""",  # noqa: S608  # fixed texts
            *_values(order), next_run_at, schedule_id,
        )  # fmt: skip
    except UniqueViolationError:
        raise ScheduleNameTaken from None
    return None if row is None else schedule_of(row)


async def set_next(db: Database, schedule_id: int, next_run_at: datetime | None) -> None:
    """Say when a schedule is due next; None pauses it."""
    await db.execute("UPDATE schedules SET next_run_at = $2 WHERE id = $1", schedule_id, next_run_at)


async def delete(db: Database, schedule_id: int) -> None:
    """Delete a schedule with its runs. The archives stay where they are."""
    await db.execute("DELETE FROM schedules WHERE id = $1", schedule_id)


async def delete_destination(db: Database, destination_id: int) -> None:
    """Delete a destination, with its credentials. Raises DestinationInUse."""
    having = "SELECT name FROM schedules WHERE destination_id = $1 ORDER BY id LIMIT 1"
    if (name := await db.fetchval(having, destination_id)) is not None:
        raise DestinationInUse(f"the schedule {name}")
    try:
        await db.execute("DELETE FROM destinations WHERE id = $1", destination_id)
    except ForeignKeyViolationError:  # a schedule that came meanwhile
        raise DestinationInUse("a schedule") from None
