"""Schedules of a user, for that user and for administrators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.accounts.models import AccessLevel, User
from shared.accounts.users import find_user_by_id
from shared.catalogue.retention import Policy
from shared.database.pool import Database, Pool
from shared.database.transactions import current, transaction
from shared.destinations import store as destinations
from shared.destinations.models import PEERS
from shared.errors import Denied
from shared.gitlab.relation_selection import RelationSelection
from shared.schedules import store
from shared.schedules.models import Schedule, ScheduleOrder, Selection
from shared.schedules.timetable import Timetable, TimetableInvalid
from shared.usecases.access import find_visible_group, require_user
from shared.usecases.errors import FieldsInvalid, NotFound

SHOWN_AHEAD = 5
"""How many of the next times of a schedule are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFields:
    """The fields of a schedule to set. None leaves a field as it is, but for ``relations``.

    ``fetches`` tells whether the destination was given as a source. Relations are set where
    ``sets_relations``, as None of them is a setting: all.
    """

    name: str | None
    destination_id: int | None
    fetches: bool | None
    into: str | None
    cron: str | None
    time_zone: str | None
    selection: Selection | None
    retention: Policy | None
    paused: bool | None
    relations: RelationSelection | None = None
    sets_relations: bool = False


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
            into=fields.into,
            relations=fields.relations,
        )
        self._check(order.timetable)
        await self._check_groups(user, order)
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
            into=fields.into or before.into,
            relations=fields.relations if fields.sets_relations else before.relations,
        )
        fetches = before.into is not None
        if fields.fetches not in (None, fetches) or (fields.into is not None and not fetches):
            raise FieldsInvalid({"source_id": ["or destination_id: what it is cannot be changed"]})
        self._check(order.timetable)
        if (order.into, order.selection.group) != (before.into, before.selection.group):
            await self._check_groups(await self._owner(schedule), order)
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

    async def _owner(self, schedule: Schedule) -> User:
        owner = await find_user_by_id(self._pool, schedule.user_id)
        if owner is None:
            raise NotFound("Schedule")
        return owner

    async def _check_groups(self, owner: User, order: ScheduleOrder) -> None:
        """Raise FieldsInvalid for a group here that the owner may not read of, or replace projects in."""
        if order.into is not None:
            await self._check_group(owner, order.into, AccessLevel.OWNER, field="into", may="owns")
        elif order.selection.group is not None:
            await self._check_group(
                owner, order.selection.group, AccessLevel.NONE, field="group", may="can see"
            )

    async def _check_group(self, owner: User, path: str, level: AccessLevel, *, field: str, may: str) -> None:
        try:
            (await find_visible_group(self._pool, owner, path)).require(level)
        except (NotFound, Denied):
            raise FieldsInvalid({field: [f"is the full path of no group that the user {may}"]}) from None

    def _check(self, timetable: Timetable) -> None:
        try:
            timetable.check(self._clock())
        except TimetableInvalid as error:
            raise FieldsInvalid({error.field: [error.problem]}, cause=error) from None


async def _require_destination(db: Database, order: ScheduleOrder, *, user_id: int) -> None:
    found = await destinations.find(db, order.destination_id)
    if found is None or found.user_id != user_id:
        raise FieldsInvalid({"destination_id": ["is that of no destination of the user"]})
    is_peer = found.kind in PEERS
    if order.into is not None and not is_peer:
        raise FieldsInvalid({"source_id": ["is that of a bucket, which has no projects"]})
    if is_peer and not order.retention.is_empty:
        raise FieldsInvalid(
            {"retention": ["is for archives in buckets: projects at another GitLab or Crossdock stay"]}
        )
