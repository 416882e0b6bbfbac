"""Application settings: what holds now, and changing it."""

from __future__ import annotations

from collections.abc import Mapping

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.settings.application import ApplicationSettings
from shared.settings.store import application_settings, change_settings
from shared.usecases.access import require_administrator


class InstanceSettings:
    """The application settings: ``defaults`` until an administrator has changed them."""

    def __init__(self, pool: Pool, defaults: ApplicationSettings) -> None:
        self._pool = pool
        self._defaults = defaults

    async def current(self) -> ApplicationSettings:
        """Give what holds now, in every process."""
        return await application_settings(self._pool, self._defaults)

    async def show(self, actor: User | None) -> ApplicationSettings:
        """Give what holds now to an administrator. Raises Unauthenticated and Denied."""
        require_administrator(actor)
        return await self.current()

    async def change(self, actor: User | None, changes: Mapping[str, object]) -> ApplicationSettings:
        """Change some by their names, and give what holds then. Raises Unauthenticated and Denied."""
        require_administrator(actor)
        await change_settings(self._pool, changes)
        return await self.current()
