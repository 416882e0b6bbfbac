"""Opens the buckets of schedules, and looks for archives that are still there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from shared.database.pool import Pool
from shared.destinations import store as destinations
from shared.destinations.bucket_errors import is_there
from shared.destinations.buckets import Buckets
from shared.destinations.models import BucketCredentials, BucketSettings
from shared.destinations.sealed_credentials import CredentialSealer
from shared.errors import CrossdockError, Fault
from shared.projects.models import Project
from shared.schedules import backups
from shared.schedules.backups import Backup
from shared.schedules.models import Schedule
from shared.sealing.sealer import Sealer
from shared.storage.base import ObjectStore


class NoBucket(CrossdockError):
    """The destination of the schedule is no bucket."""

    code = "no_bucket"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("the destination of the schedule is no bucket")


class SchedulePlaces:
    """Opens the buckets of schedules."""

    def __init__(self, pool: Pool, buckets: Buckets, sealer: Sealer) -> None:
        self._pool = pool
        self._buckets = buckets
        self._sealer = CredentialSealer(sealer)

    @asynccontextmanager
    async def open(self, schedule: Schedule) -> AsyncIterator[ObjectStore]:
        """Open the bucket of a schedule. Raises NoBucket, SecretUnreadable and BlockedUrl."""
        found = await destinations.find(self._pool, schedule.order.destination_id)
        if found is None or not isinstance(found.settings, BucketSettings):
            raise NoBucket
        credentials = self._sealer.open(found)
        assert isinstance(credentials, BucketCredentials)  # noqa: S101  # of a bucket, as its settings are
        async with self._buckets.open(found.settings, credentials) as bucket:
            yield bucket

    @asynccontextmanager
    async def look(self, schedule: Schedule) -> AsyncIterator[KnownBackups]:
        """Give what finds archives that are still there."""
        found = await destinations.find(self._pool, schedule.order.destination_id)
        settings = found.settings if found else None
        recipients = settings.recipients if isinstance(settings, BucketSettings) else ()
        async with AsyncExitStack() as stack:
            yield KnownBackups(self._pool, self, schedule, stack, recipients=recipients)


class KnownBackups:
    """Finds the archives of a schedule that have all that their projects have. It opens the bucket once."""

    def __init__(
        self,
        pool: Pool,
        places: SchedulePlaces,
        schedule: Schedule,
        stack: AsyncExitStack,
        *,
        recipients: tuple[str, ...],
    ) -> None:
        self._pool = pool
        self._places = places
        self._schedule = schedule
        self._stack = stack
        self._recipients = recipients
        self._bucket: ObjectStore | None = None
        self._is_away = False

    async def find_current(self, project: Project) -> Backup | None:
        """Find the newest archive, where the project has not changed since and it is still there.

        Where the bucket does not tell, nothing is found: the job finds out what is wrong with it.
        """
        last = await backups.find_newest(
            self._pool,
            self._schedule.id,
            destination_id=self._schedule.order.destination_id,
            project_id=project.id,
        )
        if last is None or last.path != project.full_path or last.last_activity_at is None:
            return None
        if last.relations != self._schedule.order.relations or last.recipients != self._recipients:
            return None
        if last.last_activity_at < project.last_activity_at or not await self._has(last):
            return None
        return last

    async def _has(self, last: Backup) -> bool:
        if self._is_away:
            return False
        try:
            if self._bucket is None:
                self._bucket = await self._stack.enter_async_context(self._places.open(self._schedule))
            return await is_there(self._bucket, last.file, last.stored_size)
        except CrossdockError:
            self._is_away = True
            return False
