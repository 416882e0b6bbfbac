"""The ports of every service, and the adapters of the distributed form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

import stamina
from asyncpg import PostgresError, UndefinedTableError

from shared.assembly.blocks import BlockReader, make_block_reader
from shared.broker.base import Broker
from shared.broker.rabbitmq import rabbitmq_broker
from shared.database.check import DatabaseDown
from shared.database.leadership import SessionFactory
from shared.database.outages import DATABASE_ERRORS, is_outage
from shared.database.pool import Pool, database, session
from shared.destinations.buckets import OpenStore
from shared.errors import BrokerError
from shared.jobs.metrics import JobMetrics
from shared.jobs.storage_gate import StorageGate
from shared.metrics.blocks import BlockMetrics
from shared.metrics.places import PlaceMetrics
from shared.metrics.scrub import ScrubMetrics
from shared.schedules.metrics import RunMetrics
from shared.sealing.canary import check_keys
from shared.sealing.kept_keys import read_or_make_keys
from shared.sealing.keys import parse_keys
from shared.sealing.sealer import Sealer
from shared.settings.environment import MIB, Settings
from shared.storage.base import ObjectStore
from shared.storage.s3 import S3Config, s3_store
from shared.storage.s3_part_sizes import PartSizes, equal_parts
from shared.tracing.base import OFF, Tracer
from shared.webhooks.metrics import WebhookMetrics

T = TypeVar("T")

PATIENCE = timedelta(minutes=1)
"""How long a service waits at its start for Postgres and its schema, and for RabbitMQ."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The open connections to Postgres, object storage and the broker, with the metrics and the tracer.

    ``session`` opens a database connection outside the pool; ``sealer`` is for secrets in the database;
    ``storage_gate`` holds up all workers of the process while the object storage is away.
    """

    pool: Pool
    store: ObjectStore
    broker: Broker
    session: SessionFactory
    sealer: Sealer
    storage_gate: StorageGate = field(default_factory=StorageGate)
    job_metrics: JobMetrics = field(default_factory=JobMetrics)
    webhook_metrics: WebhookMetrics = field(default_factory=WebhookMetrics)
    place_metrics: PlaceMetrics = field(default_factory=PlaceMetrics)
    block_metrics: BlockMetrics = field(default_factory=BlockMetrics)
    scrub_metrics: ScrubMetrics = field(default_factory=ScrubMetrics)
    run_metrics: RunMetrics = field(default_factory=RunMetrics)
    tracer: Tracer = OFF
    open_bucket: OpenStore = s3_store
    """Opens the bucket of a user."""

    @property
    def blocks(self) -> BlockReader:
        """A reader of the store that checks what it reads."""
        return make_block_reader(self.pool, self.store, self.block_metrics)


def _s3(settings: Settings) -> S3Config:
    secret, size = settings.s3_secret_access_key, settings.s3_part_size * MIB
    return S3Config(
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        bucket=settings.s3_bucket,
        prefix=settings.s3_prefix,
        access_key=settings.s3_access_key_id,
        secret_key=secret.get_secret_value() if secret else None,
        parts=equal_parts(size) if settings.s3_equal_parts else PartSizes(first=size),
        uploads_in_flight=settings.s3_uploads_in_flight,
        larger_parts=settings.s3_larger_parts * MIB,
        connections=settings.s3_connections,
    )


def open_store(settings: Settings) -> AbstractAsyncContextManager[ObjectStore]:
    """Open the bucket of the settings."""
    return s3_store(_s3(settings))


@asynccontextmanager
async def open_ports(settings: Settings, *, tracer: Tracer = OFF) -> AsyncIterator[Ports]:
    """Open Postgres, S3 and RabbitMQ by the settings. Waits for Postgres.

    Without a key for secrets, one is kept in the bucket. Raises SecretsKeyInvalid, DatabaseDown and
    StorageError.
    """
    given = make_sealer(settings) if _has_key(settings) else None
    url = settings.database_url.get_secret_value()
    broker_url, prefix = settings.broker_url.get_secret_value(), settings.broker_prefix
    async with AsyncExitStack() as stack:

        def open_database() -> Awaitable[Pool]:
            opened = database(url, size=settings.database_pool_size, on_query=tracer.on_query)
            return stack.enter_async_context(opened)

        pool = await patiently(open_database, also=PostgresError)  # its roles may be made later than it
        store = await stack.enter_async_context(open_store(settings))
        broker = await stack.enter_async_context(rabbitmq_broker(broker_url, prefix=prefix, tracer=tracer))
        sealer = given or Sealer(parse_keys(await patiently(partial(read_or_make_keys, pool, store))))
        yield Ports(pool, store, broker, partial(session, url), sealer, tracer=tracer)


async def patiently(
    step: Callable[[], Awaitable[T]], *, also: type[Exception] | tuple[type[Exception], ...] = ()
) -> T:
    """Do a step of the start, which may be repeated; wait for a minute while the database is away.

    Other errors that may pass by themselves are given by ``also``. Raises DatabaseDown.
    """
    async for attempt in stamina.retry_context(on=DatabaseDown, attempts=None, timeout=PATIENCE):
        with attempt:
            try:
                return await step()
            except DATABASE_ERRORS as error:
                if is_outage(error) or isinstance(error, also):
                    raise DatabaseDown(f"the database does not answer: {error}") from error
                raise
    raise AssertionError("the last attempt returns or raises")


def _has_key(settings: Settings) -> bool:
    return bool(settings.secrets_key and settings.secrets_key.get_secret_value().strip())


def make_sealer(settings: Settings) -> Sealer:
    """Make the sealer of the keys in the settings. Raises SecretsKeyMissing and SecretsKeyInvalid."""
    given = settings.secrets_key
    return Sealer(parse_keys(given.get_secret_value() if given else ""))


async def require_keys(ports: Ports) -> None:
    """Raise SecretsKeyWrong where the keys are not those of the database.

    Waits for the schema, which another service may be about to make; raises DatabaseDown.
    """

    async def check() -> None:
        try:
            await check_keys(ports.pool, ports.sealer)
        except UndefinedTableError:
            raise DatabaseDown(
                "the database lacks the schema of this version: run crossdock migrate"
            ) from None

    await patiently(check)


async def wait_for_broker(broker: Broker) -> None:
    """Wait until the broker answers: workers need it at their start, the api does not. Raises BrokerError."""
    async for attempt in stamina.retry_context(on=BrokerError, attempts=None, timeout=PATIENCE):
        with attempt:
            await broker.check()
