"""Removes deliveries after their retention."""

from __future__ import annotations

from datetime import timedelta

from shared.database.pool import Pool

_AT_ONCE = 5000


class DeliveryExpiry:
    """Removes deliveries older than ``retention``: ended ones, and pending ones of disabled webhooks."""

    def __init__(self, pool: Pool, *, retention: timedelta) -> None:
        self._pool = pool
        self._retention = retention

    async def remove_deliveries(self) -> int:
        """Remove some deliveries, and give how many."""
        status = await self._pool.execute(
            f"""DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
                SELECT id FROM webhook_deliveries WHERE finished_at < now() - $1::interval
                UNION ALL
                SELECT d.id FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
                WHERE w.disabled_reason IS NOT NULL AND d.state = 'pending'
                  AND d.created_at < now() - $1::interval LIMIT {_AT_ONCE}))""",  # noqa: S608  # fixed texts
            self._retention,
        )
        return int(status.rpartition(" ")[2])
