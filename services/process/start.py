"""Start and end of a service process: an error that stops the service is logged in one line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from services.process.allocator import share_one_arena
from shared.database.outages import DATABASE_ERRORS
from shared.errors import CrossdockError
from shared.logs import configure, log_loop_error
from shared.settings.environment import Settings, find_unknown

T = TypeVar("T")
ServiceMain = Callable[[Settings], Coroutine[Any, Any, None]]
"""The main function of a service, which runs until SIGTERM."""

_log = structlog.get_logger()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in an event loop.

    SIGTERM cancels it and the process exits with 143, unless ``work`` sets a handler of its own.
    """
    try:
        return asyncio.run(_cancel_on_signal(work))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


async def _cancel_on_signal(work: Coroutine[Any, Any, T]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    loop.set_exception_handler(log_loop_error)
    return await task


def start(serve: ServiceMain) -> None:
    """Read the settings, set up logging and serve. Exits with 1 if the service cannot run."""
    try:
        settings = Settings()
    except ValidationError as error:
        # Pydantic's own text quotes the values, which may be secrets.
        message = "; ".join(
            f"CROSSDOCK_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()
        )
        sys.exit(f"crossdock: {message}")
    if unknown := "; ".join(find_unknown(os.environ)):
        sys.exit(f"crossdock: {unknown}")
    configure(settings.log_format, settings.log_level)
    share_one_arena()
    if not _serve(serve, settings):
        sys.exit(1)


def _serve(serve: ServiceMain, settings: Settings) -> bool:
    """Run the service; return whether it ended without an error."""
    failed = False
    try:
        run(serve(settings))
    except* (CrossdockError, *DATABASE_ERRORS) as errors:
        failed = True
        for error in _flatten(errors):
            _log.error("service_failed", error=str(error), kind=type(error).__name__)
    return not failed


def _flatten(errors: BaseException) -> Iterator[BaseException]:
    if isinstance(errors, BaseExceptionGroup):
        for each in errors.exceptions:
            yield from _flatten(each)
    else:
        yield errors
