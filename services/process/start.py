"""How the process of a service starts and ends: what it cannot do without is an error of one line."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import structlog
from asyncpg import InterfaceError, PostgresError
from pydantic import ValidationError

from shared.errors import CrossdockError
from shared.logs import configure
from shared.settings.environment import Settings

T = TypeVar("T")
Serve = Callable[[Settings], Coroutine[Any, Any, None]]

_log = structlog.get_logger()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in a loop. SIGTERM cancels it, until it has a handler of its own, and exits with 143."""
    try:
        return asyncio.run(_cancelled_by_signal(work))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


async def _cancelled_by_signal(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def start(serve: Serve) -> None:
    """Read the settings, log as they say, and serve. Exits with 1 where that cannot go on."""
    try:
        settings = Settings()
    except ValidationError as error:
        # Its own text quotes the values, secrets among them.
        told = "; ".join(f"CROSSDOCK_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors())
        sys.exit(f"crossdock: {told}")
    configure(settings.log_format, settings.log_level)
    if not _served(serve, settings):
        sys.exit(1)


def _served(serve: Serve, settings: Settings) -> bool:
    failed = False
    try:
        run(serve(settings))
    except* (CrossdockError, OSError, PostgresError, InterfaceError) as errors:
        failed = True
        for error in _single(errors):
            _log.error("service_failed", error=str(error), kind=type(error).__name__)
    return not failed


def _single(errors: BaseException) -> Iterator[BaseException]:
    if isinstance(errors, BaseExceptionGroup):
        for each in errors.exceptions:
            yield from _single(each)
    else:
        yield errors
