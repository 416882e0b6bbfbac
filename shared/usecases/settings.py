"""Shows and changes the application settings."""

from __future__ import annotations

from collections.abc import Mapping

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.settings.application import ApplicationSettings
from shared.settings.store import application_settings, change_settings
from shared.usecases.access import require_administrator


class InstanceSettings:
    """Shows and changes the application settings. ``defaults`` apply until an administrator changes them."""

    def __init__(self, pool: Pool, defaults: ApplicationSettings) -> None:
        self._pool = pool
        self.defaults = defaults

    async def current(self) -> ApplicationSettings:
        """Return the current settings, which are the same in every process."""
        return await application_settings(self._pool, self.defaults)

    async def show(self, actor: User | None) -> ApplicationSettings:
        """Return the current settings to an administrator. Raises Unauthenticated and Denied."""
        require_administrator(actor)
        return await self.current()

    async def change(self, actor: User | None, changes: Mapping[str, object]) -> ApplicationSettings:
        """Change settings by name as an administrator, and return all. Raises Unauthenticated and Denied."""
        require_administrator(actor)
        await change_settings(self._pool, changes)
        return await self.current()
