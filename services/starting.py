"""How the process of a service starts and ends: what it cannot do without is an error of one line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import structlog
from asyncpg import InterfaceError, PostgresError
from pydantic import ValidationError

from shared.errors import CrossdockError
from shared.logs import configure
from shared.settings import Settings

Serve = Callable[[Settings], Coroutine[Any, Any, None]]

_log = structlog.get_logger()


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
        asyncio.run(serve(settings))
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
