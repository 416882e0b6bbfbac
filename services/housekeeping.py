"""The sweeper with its duties, as every service runs it."""

from __future__ import annotations

from datetime import timedelta

from services.ports import Ports
from shared.accounts.expiry import Expiry
from shared.jobs.revival import Revival
from shared.jobs.sweeper import Sweeper
from shared.settings import Settings
from shared.snapshots.collector import Collector


def sweeper(ports: Ports, settings: Settings) -> Sweeper:
    """Make the sweeper: jobs first, as somebody waits for them."""
    revival = Revival(ports.pool, ports.broker)
    collector = Collector(ports.pool, ports.store, grace=timedelta(seconds=settings.collect_grace_seconds))
    expiry = Expiry(ports.pool)
    duties = [
        revival.revive,
        revival.publish,
        collector.expire_archives,
        collector.drop_snapshots,
        collector.collect_objects,
        collector.abandon_uploads,
        expiry.remove_sessions,
        expiry.remove_counts,
        expiry.remove_answers,
    ]
    return Sweeper(ports.pool, duties, every=timedelta(seconds=settings.sweep_seconds))
