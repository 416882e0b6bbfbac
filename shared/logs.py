"""Logging: one structured line for each event, on standard error."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import Processor

_OURS = ("services", "shared")
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
)

# Without the values of local variables, which may be secrets.
_JSON_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure(log_format: str, level: str) -> None:
    """Log lines of at least ``level`` as ``json``, or as ``text`` for people.

    Lines that libraries log through ``logging`` have the same form. Below ``info`` there are none of them:
    at ``debug`` botocore logs presigned URLs, and others whole requests.
    """
    wanted = logging.getLevelNamesMapping()[level.upper()]
    renderer: tuple[Processor, ...] = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    )
    if log_format == "json":
        renderer = (_JSON_TRACEBACKS, structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(wanted),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(wanted, logging.INFO), force=True)
    for package in _OURS:
        logging.getLogger(package).setLevel(wanted)


def log_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that only the event loop has seen, by its class and place.

    Its text, and asyncio's description of the callback, may quote what a peer has sent.
    """
    error = context.get("exception")
    structlog.get_logger().error("loop_error", kind=type(error).__name__, place=place_of(error))


def place_of(error: BaseException | None) -> str | None:
    """Return the file and the line where an error was raised; None for one that was not."""
    frame = error.__traceback__ if error is not None else None
    if frame is None:
        return None
    while frame.tb_next is not None:
        frame = frame.tb_next
    return f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"


def quiet_logger() -> logging.Logger:
    """Return the logger for aiohttp. It names the class of an error instead of what aiohttp says of it."""
    logger = logging.getLogger("crossdock.http")
    logger.addFilter(_name_class)
    return logger


def _name_class(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    record.msg, record.args = f"aiohttp: {type(error).__name__}", ()
    record.exc_info = record.exc_text = record.stack_info = None
    return True
