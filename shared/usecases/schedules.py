"""Schedules of a user, for that user and for administrators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.accounts.models import User
from shared.catalogue.retention import Policy
from shared.database.pool import Database, Pool
from shared.database.transactions import current, transaction
from shared.destinations import store as destinations
from shared.destinations.models import DestinationKind
from shared.schedules import store
from shared.schedules.models import Schedule, ScheduleOrder, Selection
from shared.schedules.timetable import Timetable, TimetableInvalid
from shared.usecases.access import require_user
from shared.usecases.errors import FieldsInvalid, NotFound

SHOWN_AHEAD = 5
"""How many of the next times of a schedule are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFields:
    """The fields of a schedule to set. None leaves a field as it is."""

    name: str | None
    destination_id: int | None
    cron: str | None
    time_zone: str | None
    selection: Selection | None
    retention: Policy | None
    paused: bool | None


class Schedules:
    """Manages schedules, of which a user has at most ``limit``, and sees no others."""

    def __init__(
        self, pool: Pool, *, limit: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._pool = pool
        self._clock = clock
        self.limit = limit

    async def list(self, actor: User | None, *, behind: int | None, limit: int) -> Sequence[Schedule]:
        """List the actor's schedules, those of all users for administrators, the oldest first."""
        user = require_user(actor)
        return await store.list_of(self._pool, None if user.is_admin else user.id, behind=behind, limit=limit)

    async def show(self, actor: User | None, schedule_id: int) -> Schedule:
        """Return a schedule. Raises NotFound where it is not the actor's, who is no administrator."""
        user = require_user(actor)
        found = await store.find(current(self._pool), schedule_id)
        if found is None or not (user.is_admin or found.user_id == user.id):
            raise NotFound("Schedule")
        return found

    def next_runs(self, schedule: Schedule) -> Sequence[datetime]:
        """Give the next times of a schedule that is not paused."""
        if schedule.next_run_at is None:
            return ()
        return schedule.order.timetable.upcoming(self._clock(), most=SHOWN_AHEAD)

    async def create(self, actor: User | None, fields: ScheduleFields) -> Schedule:
        """Create a schedule of the actor. Raises FieldsInvalid, ScheduleNameTaken and TooManySchedules."""
        user = require_user(actor)
        assert fields.name and fields.cron and fields.destination_id is not None  # noqa: S101, PT018  # read as required
        order = ScheduleOrder(
            name=fields.name,
            destination_id=fields.destination_id,
            timetable=Timetable(fields.cron, fields.time_zone or "UTC"),
            selection=fields.selection or Selection(),
            retention=fields.retention or Policy(),
        )
        self._check(order.timetable)
        next_run_at = None if fields.paused else order.timetable.after(self._clock())
        async with transaction(self._pool) as db:
            await _require_destination(db, order, user_id=user.id)
            return await store.create(db, order, user_id=user.id, next_run_at=next_run_at, limit=self.limit)

    async def change(self, schedule: Schedule, fields: ScheduleFields) -> Schedule:
        """Change a schedule. Raises FieldsInvalid, ScheduleNameTaken and NotFound."""
        before = schedule.order
        order = ScheduleOrder(
            name=fields.name or before.name,
            destination_id=before.destination_id if fields.destination_id is None else fields.destination_id,
            timetable=Timetable(
                fields.cron or before.timetable.cron, fields.time_zone or before.timetable.time_zone
            ),
            selection=fields.selection or before.selection,
            retention=fields.retention or before.retention,
        )
        self._check(order.timetable)
        async with transaction(self._pool) as db:
            await _require_destination(db, order, user_id=schedule.user_id)
            changed = await store.change(
                db, schedule.id, order, next_run_at=self._next(schedule, order, paused=fields.paused)
            )
        if changed is None:
            raise NotFound("Schedule")
        return changed

    async def pause(self, schedule: Schedule) -> Schedule:
        """Let a schedule be due no more; a run that is under way goes on. Raises NotFound."""
        return await self._set_next(schedule, None)

    async def resume(self, schedule: Schedule) -> Schedule:
        """Let a schedule that is paused be due again. What it missed is not caught up. Raises NotFound."""
        if schedule.next_run_at is not None:
            return schedule
        return await self._set_next(schedule, schedule.order.timetable.after(self._clock()))

    async def delete(self, schedule: Schedule) -> None:
        """Delete a schedule with its runs. What it has sent stays where it is."""
        async with transaction(self._pool) as db:
            await store.delete(db, schedule.id)

    async def _set_next(self, schedule: Schedule, next_run_at: datetime | None) -> Schedule:
        async with transaction(self._pool) as db:
            await store.set_next(db, schedule.id, next_run_at)
            changed = await store.find(db, schedule.id)
        if changed is None:
            raise NotFound("Schedule")
        return changed

    def _next(self, schedule: Schedule, order: ScheduleOrder, *, paused: bool | None) -> datetime | None:
        """Give when the changed schedule is due: what is overdue stays so, unless its times change."""
        is_paused = schedule.next_run_at is None if paused is None else paused
        if is_paused:
            return None
        if schedule.next_run_at is not None and order.timetable == schedule.order.timetable:
            return schedule.next_run_at
        return order.timetable.after(self._clock())

    def _check(self, timetable: Timetable) -> None:
        try:
            timetable.check(self._clock())
        except TimetableInvalid as error:
            raise FieldsInvalid({error.field: [error.problem]}, cause=error) from None


async def _require_destination(db: Database, order: ScheduleOrder, *, user_id: int) -> None:
    found = await destinations.find(db, order.destination_id)
    if found is None or found.user_id != user_id:
        raise FieldsInvalid({"destination_id": ["is that of no destination of the user"]})
    if found.kind is not DestinationKind.S3:
        raise FieldsInvalid(
            {"destination_id": [f"is of the kind {found.kind.value}, to which none sends yet"]}
        )
