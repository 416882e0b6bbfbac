"""Logging: one structured line for each event, on standard error."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import ExcInfo, Processor

from shared.errors import CrossdockError

_OURS = ("services", "shared")
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
)

_MOST_FRAMES = 50
_MOST_ERRORS = 10
"""How much of a traceback is logged: the innermost frames of an error, and the first errors of a chain."""


def configure(log_format: str, level: str) -> None:
    """Log lines of at least ``level`` as ``json``, as ``text``, or ``auto``: as text on a terminal alone.

    Lines that libraries log through ``logging`` have the same form. Below ``info`` there are none of them:
    at ``debug`` botocore logs presigned URLs, and others whole requests. Of an exception, a line has classes
    and places: its text may quote what was sent, as Postgres quotes the row that it refuses.
    """
    wanted = logging.getLevelNamesMapping()[level.upper()]
    renderer: tuple[Processor, ...] = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_print_outline),
    )
    if log_format == "json" or (log_format == "auto" and not sys.stderr.isatty()):
        renderer = (structlog.processors.ExceptionRenderer(_outline_of), structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[*_SHARED, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(wanted),
        logger_factory=_Lines,
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


class _Lines:
    """Writes our own lines: ``logging`` would take three times as long for each (16 us, not 57)."""

    def __init__(self, *_names: object) -> None:
        pass

    def msg(self, line: str) -> None:
        """Write a line, whole. What it tells of goes on where nobody takes it: as ``logging`` has it."""
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


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


def describe(error: BaseException) -> str:
    """Return the class and the text of an error of ours, or of the system; of others, class and place.

    Only we know what our own texts quote.
    """
    name = type(error).__name__
    match error:
        case CrossdockError():
            return f"{name}: {error}"
        case OSError(strerror=str(reason)):
            return f"{name}: {reason}"
        case _:
            return f"{name} at {place_of(error)}"


@dataclass(frozen=True, slots=True)
class Outline:
    """The class of an error and its frames (``file:line function``), the innermost one last."""

    kind: str
    frames: list[str]


def outline(error: BaseException) -> list[Outline]:
    """Return the outlines of an error and of those that led to it, newest first.

    At most 10 errors, and the 50 innermost frames of each.
    """
    return [_outline_one(each) for each in islice(_chain(error), _MOST_ERRORS)]


def _outline_one(error: BaseException) -> Outline:
    frames = traceback.extract_tb(error.__traceback__, limit=-_MOST_FRAMES)
    return Outline(type(error).__name__, [f"{each.filename}:{each.lineno} {each.name}" for each in frames])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, those that it groups, and what led to it."""
    seen: set[int] = set()
    waiting: deque[BaseException | None] = deque([error])
    while waiting:
        each = waiting.popleft()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting.extend(each.exceptions if isinstance(each, BaseExceptionGroup) else ())
            waiting.append(each.__cause__ or (None if each.__suppress_context__ else each.__context__))


def _outline_of(exc_info: ExcInfo) -> list[dict[str, object]]:
    return [asdict(each) for each in outline(exc_info[1])]


def _print_outline(target: TextIO, exc_info: ExcInfo) -> None:
    target.writelines("\n".join([f"{each.kind}:", *each.frames, ""]) for each in outline(exc_info[1]))


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
