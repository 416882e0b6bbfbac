"""The sweeper with its duties and the relay of events, as every service runs them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.ports import Ports
from shared.accounts.expiry import Expiry
from shared.events.expiry import EventExpiry
from shared.events.relay import Relay
from shared.jobs.depth import Depth
from shared.jobs.revival import Revival
from shared.jobs.sweeper import Sweeper
from shared.settings import Settings
from shared.snapshots.collector import Collector


def sweeper(ports: Ports, settings: Settings) -> Sweeper:
    """Make the sweeper: jobs first, as somebody waits for them."""
    revival = Revival(ports.pool, ports.broker, observer=ports.observer)
    collector = Collector(ports.pool, ports.store, grace=timedelta(seconds=settings.collect_grace_seconds))
    expiry = Expiry(ports.pool)
    events = EventExpiry(ports.pool, retention=timedelta(hours=settings.event_retention))
    duties = [
        revival.revive,
        revival.publish,
        Depth(ports.pool, ports.observer).read,
        collector.expire_archives,
        collector.drop_snapshots,
        collector.collect_objects,
        collector.abandon_uploads,
        expiry.remove_sessions,
        expiry.remove_counts,
        expiry.remove_answers,
        events.remove_events,
        events.remove_commands,
    ]
    return Sweeper(ports.pool, duties, every=timedelta(seconds=settings.sweep_seconds))


async def keep_house(ports: Ports, settings: Settings) -> None:
    """Sweep, and publish events, until cancelled."""
    relay = Relay(ports.session, ports.broker, source=settings.base_url)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sweeper(ports, settings).run())
        tasks.create_task(relay.run())
