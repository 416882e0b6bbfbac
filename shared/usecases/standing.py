"""The limits of a user, and how much of each is used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.accounts.models import User
from shared.accounts.rate_limits import RateLimitUsage, read_usage
from shared.archive.limits import Limits
from shared.database.pool import Pool, one_moment
from shared.projects.store import count_own
from shared.settings.application import ApplicationSettings
from shared.usecases.access import require_user
from shared.usecases.settings import InstanceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLimits:
    """The limits and usage of one user. ``archive`` lacks the size limit, which ``settings`` has.

    ``longest_pass`` bounds how long the records of a relation are looked through.
    """

    user: User
    settings: ApplicationSettings
    archive: Limits
    imports: RateLimitUsage
    github_imports: RateLimitUsage
    exports: RateLimitUsage
    own_projects: int
    longest_pass: timedelta


class UserLimitsReader:
    """Reads the limits of users, so that clients can check them before they upload."""

    def __init__(
        self, pool: Pool, *, settings: InstanceSettings, limits: Limits, longest_pass: timedelta
    ) -> None:
        self._pool = pool
        self._longest_pass = longest_pass
        self._settings = settings
        self.archive_limits = limits

    async def show(self, actor: User | None) -> UserLimits:
        """Return the limits and usage of the user. Raises Unauthenticated."""
        user, settings = require_user(actor), await self._settings.current()
        async with one_moment(self._pool) as db:
            return UserLimits(
                user=user,
                settings=settings,
                archive=self.archive_limits,
                imports=await read_usage(db, "project_import", user.id, limit=settings.project_import_limit),
                github_imports=await read_usage(
                    db, "github_import", user.id, limit=settings.github_import_limit
                ),
                exports=await read_usage(db, "project_export", user.id, limit=settings.project_export_limit),
                own_projects=await count_own(db, user.id),
                longest_pass=self._longest_pass,
            )
