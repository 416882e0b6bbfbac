"""What the command line opens itself: the database for ``admin``, the broker for ``dead-letters``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import structlog

from services.cli.errors import ServerUnreachable, UsageError
from services.standalone.postgres import embedded_postgres
from shared.broker.base import Broker
from shared.broker.rabbitmq import rabbitmq_broker
from shared.database.migrate import MigrationReport, migrate
from shared.database.pool import Pool, database
from shared.settings.environment import Settings

_log = structlog.get_logger()


@asynccontextmanager
async def accounts_database(settings: Settings, data: Path | None) -> AsyncIterator[Pool]:
    """Open the database of a standalone's ``data`` folder, or else the one of the settings.

    The former may be in use by a running standalone. Raises Unreachable and UsageError.
    """
    if data is None:
        async with _pool(settings.database_url.get_secret_value()) as pool:
            yield pool
        return
    async with embedded_postgres(data / "postgres") as url:
        await migrate(url)
        async with _pool(url) as pool:
            yield pool


@asynccontextmanager
async def _pool(url: str) -> AsyncIterator[Pool]:
    try:
        async with database(url, size=2) as pool:
            yield pool
    except asyncpg.UndefinedTableError:
        raise UsageError("the database has no schema yet: run crossdock migrate") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ServerUnreachable(f"the database does not answer: {error}") from error


async def migrate_database(settings: Settings, to: int | None) -> MigrationReport:
    """Take the steps to migration ``to``, or the newest, and load the functions. Raises Unreachable."""
    try:
        return await migrate(settings.database_url.get_secret_value(), to=to)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ServerUnreachable(f"the database does not answer: {error}") from error


async def log_migration(settings: Settings, *, to: int | None) -> None:
    """Take the same steps, and log as a service does: a job's output is read by machines."""
    report = await migrate(settings.database_url.get_secret_value(), to=to)
    _log.info("migrated", steps=report.steps, functions=report.functions)


@asynccontextmanager
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    """Open the broker of the settings."""
    url = settings.broker_url.get_secret_value()
    async with rabbitmq_broker(url, prefix=settings.broker_prefix) as opened:
        yield opened
