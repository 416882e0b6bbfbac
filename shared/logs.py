"""Logging: one structured line for each event, on standard error."""

from __future__ import annotations

import logging
import sys

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
