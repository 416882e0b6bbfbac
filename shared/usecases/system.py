"""Tells administrators how the whole Crossdock is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.statuses.system import SystemStatus, read_system
from shared.usecases.access import require_administrator


@dataclass(frozen=True, slots=True)
class System:
    """Reads how it is. A worker that was silent for ``silence`` has no slots."""

    pool: Pool
    silence: timedelta

    async def show(self, actor: User | None) -> SystemStatus:
        """Return how it is. Raises Unauthenticated, and Denied for all but administrators."""
        require_administrator(actor)
        return await read_system(self.pool, silence=self.silence)
