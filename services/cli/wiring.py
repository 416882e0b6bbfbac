"""Opens database and store for ``crossdock admin``, and the broker for ``crossdock dead-letters``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import structlog
from yarl import URL

from services.cli.errors import ServerUnreachable, UsageError
from services.cli.local_folders import refuse_file
from services.process.ports import make_sealer, open_store
from services.standalone.data_folder import CLUSTER, OBJECTS
from services.standalone.postgres import standalone_postgres
from services.standalone.secrets_key import standalone_sealer
from shared.broker.base import Broker
from shared.broker.rabbitmq import rabbitmq_broker
from shared.database.migrate import MigrationReport, migrate
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool, database
from shared.errors import BrokerError
from shared.sealing.sealer import Sealer
from shared.settings.environment import Settings
from shared.storage.base import ObjectStore
from shared.storage.filesystem import FilesystemStore

_OF_STANDALONE = ". For a standalone, give --data FOLDER; else set CROSSDOCK_DATABASE_URL"
_OF_SETTING = ", which CROSSDOCK_BROKER_URL names"
_OF_DEFAULT = (
    ": set CROSSDOCK_BROKER_URL. A standalone has none, and its queues are on the page System of its console"
)
_PORTS = {"amqp": 5672, "amqps": 5671}
_log = structlog.get_logger()


@asynccontextmanager
async def accounts_database(settings: Settings, data: Path | None) -> AsyncIterator[Pool]:
    """Open the database in the ``data`` folder of a standalone, or else that of the settings.

    The standalone may be running. Raises ServerUnreachable, UsageError, and what keeps a standalone from
    starting.
    """
    if data is None:
        hint = "" if "database_url" in settings.model_fields_set else _OF_STANDALONE
        async with _pool(settings.database_url.get_secret_value(), hint=hint) as pool:
            yield pool
        return
    refuse_file(data)
    if not (data / CLUSTER).is_dir():
        raise UsageError(f"there is no standalone in {data}: crossdock standalone --data {data} makes one")
    patience = timedelta(seconds=settings.recovery_seconds)
    async with standalone_postgres(data, patience=patience) as url:
        await migrate(url)
        async with _pool(url) as pool:
            yield pool


@asynccontextmanager
async def object_store(settings: Settings, data: Path | None) -> AsyncIterator[ObjectStore]:
    """Open the objects in the ``data`` folder of a standalone, or else the bucket of the settings."""
    if data is not None:
        yield FilesystemStore(data / OBJECTS)
        return
    async with open_store(settings) as store:
        yield store


def secrets_sealer(settings: Settings, data: Path | None) -> Sealer:
    """Make the sealer of that database. Raises SecretsKeyMissing and SecretsKeyInvalid."""
    return make_sealer(settings) if data is None else standalone_sealer(settings, data)


@asynccontextmanager
async def _pool(url: str, *, hint: str = "") -> AsyncIterator[Pool]:
    try:
        async with database(url, size=2) as pool:
            yield pool
    except asyncpg.UndefinedTableError:
        raise UsageError("the database has no schema yet: run crossdock migrate") from None
    except DATABASE_ERRORS as error:
        raise ServerUnreachable(f"the database does not answer: {error}{hint}") from error


async def migrate_database(settings: Settings, to: int | None) -> MigrationReport:
    """Migrate to ``to``, or to the newest schema, and load the functions. Raises ServerUnreachable."""
    try:
        return await migrate(settings.database_url.get_secret_value(), to=to)
    except DATABASE_ERRORS as error:
        raise ServerUnreachable(f"the database does not answer: {error}") from error


async def log_migration(settings: Settings, *, to: int | None) -> None:
    """Migrate as ``migrate_database`` does, and log the result as services do, for machines."""
    report = await migrate(settings.database_url.get_secret_value(), to=to)
    _log.info("migrated", steps=report.steps, functions=report.functions)


@asynccontextmanager
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    """Open the broker of the settings. Raises BrokerError, and ServerUnreachable where none answers."""
    url = settings.broker_url.get_secret_value()
    try:
        async with rabbitmq_broker(url, prefix=settings.broker_prefix) as opened:
            yield opened
    except BrokerError as error:
        if not _is_absence(error):
            raise
        hint = _OF_SETTING if "broker_url" in settings.model_fields_set else _OF_DEFAULT
        raise ServerUnreachable(f"no RabbitMQ answers at {_address(url)}{hint}") from error


def _is_absence(error: BrokerError) -> bool:
    """Tell whether no connection came about: the operating system says so to the client of AMQP."""
    return error.__cause__ is not None and isinstance(error.__cause__.__cause__, OSError)


def _address(url: str) -> str:
    """Return host and port, without the password."""
    parsed = URL(url)
    return f"{parsed.host}:{parsed.port or _PORTS.get(parsed.scheme, '?')}"
