"""Maintenance, which the leader of all services does: sweeper, event relay, webhook sender, and the scrub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from services.process.buckets import make_buckets
from services.process.ports import Ports
from services.process.run_keeper import RunKeeper
from services.process.sweeper import MaintenanceTask, Sweeper, at_intervals
from shared.accounts.expiry import Expiry
from shared.accounts.rate_limits import RateLimits
from shared.admission import PlaceRules, Places
from shared.audit.scrub import Scrub
from shared.broker.base import COMMANDS
from shared.broker.expiry import DeadLetterExpiry
from shared.database.leadership import Leadership
from shared.database.notifications import woken
from shared.database.pool import Connection, Pool
from shared.destinations.peers import PeerServers
from shared.destinations.sealed_credentials import DestinationSecrets
from shared.events.expiry import EventExpiry
from shared.events.relay import Relay
from shared.github_import.expiry import PageExpiry
from shared.group_archives.store import GroupExportExpiry
from shared.idempotency.expiry import AnswerExpiry
from shared.jobs.announcer import Announcer
from shared.jobs.expiry import AddressExpiry, JobExpiry
from shared.jobs.maintenance import MaintenanceRecord, TaskRun
from shared.jobs.models import JobKind
from shared.jobs.presence import PresenceExpiry
from shared.jobs.queue_depth import QueueDepth
from shared.jobs.requeue import Requeue
from shared.jobs.secrets_of_jobs import JobSecrets
from shared.ledger.collector import Collector
from shared.ledger.objects import RETRIED_WITHIN
from shared.outbound.policy import outbound_clients
from shared.outbound.remote_imports import remote_import_policy
from shared.projects.overwrites import OverwriteExpiry
from shared.schedules.ages import BackupAges
from shared.schedules.expiry import RunExpiry
from shared.schedules.places import SchedulePlaces
from shared.sealing.sealer import Sealer
from shared.sealing.tables import Resealer
from shared.settings.defaults import default_settings
from shared.settings.environment import KIB, Settings
from shared.uploads.expiry import UploadExpiry
from shared.usecases.groups import Groups
from shared.usecases.imports import Imports
from shared.usecases.job_queue import JobQueue
from shared.usecases.peer_runs import PeerRuns
from shared.usecases.peer_transfers import PeerJobs
from shared.usecases.runs import ExportableProjects
from shared.usecases.settings import InstanceSettings
from shared.webhooks.expiry import DeliveryExpiry
from shared.webhooks.secrets_of_webhooks import WebhookSecrets
from shared.webhooks.sender import WebhookSender
from shared.webhooks.store import CHANNEL

_SELDOM = 12
"""How many rounds of the sweeper lie between two looks for what nobody waits for: a minute by default."""

_LEFT_UPLOADS = timedelta(hours=1)
"""How often a process looks for abandoned uploads: the store has to list all uploads, which costs money."""

_DEAD_LETTERS = timedelta(minutes=10)
_PATIENCE = timedelta(seconds=10)


def make_resealer(pool: Pool, sealer: Sealer) -> Resealer:
    """Make what seals the secrets of all tables anew."""
    return Resealer(pool, sealer, [JobSecrets(), WebhookSecrets(), DestinationSecrets()])


def make_sweeper(ports: Ports, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> Sweeper:
    """Make the sweeper. Its tasks for jobs come first and in each round, because users wait for jobs."""
    lease = timedelta(seconds=settings.lease_seconds)
    requeue = Requeue(ports.pool, ports.broker, metrics=ports.job_metrics, grace=lease)
    collector = Collector(ports.pool, ports.store, grace=timedelta(seconds=settings.collect_grace_seconds))
    expiry = Expiry(ports.pool)
    retention = timedelta(hours=settings.event_retention)
    kept = timedelta(days=settings.job_retention)
    events = EventExpiry(ports.pool, retention=retention, job_retention=kept)
    dead_letters = _dead_letter_expiry(ports, settings)
    every = timedelta(seconds=settings.sweep_seconds)
    runs: dict[str, TaskRun] = {}
    urgent = [requeue.requeue_lost, requeue.publish, QueueDepth(ports.pool, ports.job_metrics).read]
    seldom = [
        collector.remove_expired_archives,
        collector.collect_snapshots,
        collector.collect_objects,
        expiry.remove_sessions,
        expiry.remove_counts,
        UploadExpiry(ports.pool).remove_uploads,
        GroupExportExpiry(ports.pool).remove_exports,
        PresenceExpiry(ports.pool).remove_workers,
        AddressExpiry(ports.pool, kept=RETRIED_WITHIN).forget_addresses,
        OverwriteExpiry(ports.pool, kept=timedelta(minutes=settings.overwrite_retention)).delete_left,
        JobExpiry(ports.pool, retention=kept).remove_jobs,
        PageExpiry(ports.pool, retention=kept).remove_pages,
        *_tasks_of_runs(ports, kept=kept),
        AnswerExpiry(ports.pool).remove_answers,
        events.remove_events,
        events.remove_commands,
        events.remove_last_words,
        DeliveryExpiry(ports.pool, retention=retention).remove_deliveries,
        make_resealer(ports.pool, ports.sealer).seal_clear,
        MaintenanceRecord(ports.pool, runs).write_runs,
    ]
    tasks = [
        *urgent,
        *(at_intervals(task, every=every * _SELDOM, clock=clock) for task in seldom),
        at_intervals(collector.abort_uploads, every=_LEFT_UPLOADS, clock=clock),
        at_intervals(dead_letters.remove_dead_letters, every=_DEAD_LETTERS, clock=clock),
    ]
    return Sweeper(tasks, every=every, runs=runs)


def _tasks_of_runs(ports: Ports, *, kept: timedelta) -> list[MaintenanceTask]:
    return [
        RunExpiry(ports.pool, retention=kept).remove_runs,
        BackupAges(ports.pool, ports.run_metrics).read,
    ]


def _dead_letter_expiry(ports: Ports, settings: Settings) -> DeadLetterExpiry:
    queues = [*(kind.value for kind in JobKind), COMMANDS]
    retention = timedelta(hours=settings.dead_letter_retention)
    return DeadLetterExpiry(ports.broker, queues, retention=retention)


def make_webhook_sender(ports: Ports, settings: Settings) -> WebhookSender:
    """Make the webhook sender."""
    connect = outbound_clients(ports.pool, settings)
    limits = PlaceRules(share=settings.place_share).limits("webhook_senders", settings.webhook_senders)
    places = Places(limits)
    ports.place_metrics.watch([places])
    return WebhookSender(
        ports.pool,
        connect,
        sealer=ports.sealer,
        source=settings.base_url,
        places=places,
        metrics=ports.webhook_metrics,
    )


def make_scrub(ports: Ports, settings: Settings) -> Scrub | None:
    """Make the scrub; None where the settings want none."""
    if not settings.scrub_rate:
        return None
    return Scrub(
        ports.pool,
        ports.store,
        rate=settings.scrub_rate * KIB,
        grace=timedelta(seconds=settings.collect_grace_seconds),
        metrics=ports.scrub_metrics,
    )


def make_peer_runs(ports: Ports, settings: Settings, exportable: ExportableProjects) -> PeerRuns:
    """Make what finds the projects of runs at peers. It announces no job: the keeper of runs does."""
    current = InstanceSettings(ports.pool, default_settings(settings))
    queue = JobQueue(
        Announcer(ports.broker, most=1, patience=_PATIENCE),
        sealer=ports.sealer,
        attempts=settings.job_attempts,
        small=0,
    )
    servers = PeerServers(remote_import_policy(settings), current.current)
    return PeerRuns(
        ports.pool,
        PeerJobs(queue, servers, sealer=ports.sealer),
        imports=Imports(ports.pool, queue, settings=current, limits=RateLimits(ports.pool)),
        groups=Groups(ports.pool, limit=settings.groups_limit),
        exportable=exportable,
    )


def make_run_keeper(ports: Ports, settings: Settings) -> RunKeeper:
    """Make what keeps the runs of schedules going."""
    current = InstanceSettings(ports.pool, default_settings(settings))
    exportable = ExportableProjects(ports.pool, current)
    return RunKeeper(
        ports.pool,
        ports.broker,
        exportable,
        SchedulePlaces(ports.pool, make_buckets(ports, settings), ports.sealer),
        make_peer_runs(ports, settings, exportable),
        source=settings.base_url,
        attempts=settings.job_attempts,
        every=timedelta(seconds=settings.sweep_seconds),
        metrics=ports.run_metrics,
    )


class Maintenance:
    """What the leader does. It is made once, as it keeps what it knows from one leadership to the next."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self._sweeper = make_sweeper(ports, settings)
        self._relay = Relay(ports.broker, source=settings.base_url)
        self._sender = make_webhook_sender(ports, settings)
        self._scrub = make_scrub(ports, settings)
        self._runs = make_run_keeper(ports, settings)

    async def lead(self, session: Connection) -> None:
        """Sweep, relay events, send webhooks, keep runs and scrub until cancelled.

        Raises what ends the session.
        """
        async with woken(session, CHANNEL) as news, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._relay.run(session))
            tasks.create_task(self._sweeper.run())
            tasks.create_task(self._sender.run(news))
            tasks.create_task(self._runs.run())
            if self._scrub:
                tasks.create_task(self._scrub.run())


async def run_maintenance(ports: Ports, settings: Settings) -> None:
    """Offer to lead, and do the maintenance whenever this process leads, until cancelled."""
    await Leadership(ports.session).run(Maintenance(ports, settings).lead)
