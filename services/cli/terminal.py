"""Output for people: bars and tables on a terminal, plain lines elsewhere. Only results go to stdout."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from services.cli.formats import counted

ByteReporter: TypeAlias = Callable[[int, int | None], None]
"""Receives the bytes done and the total, which is None while unknown."""

_PLAIN_INTERVAL = 10.0
_MOST_TYPES = 4


def replace_unprintable(text: object) -> str:
    """Replace control characters, which could drive the terminal: the text may come from any archive."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text))


def say(text: str) -> None:
    """Print a message on stderr."""
    print(replace_unprintable(text), file=sys.stderr, flush=True)  # noqa: T201  # the command line speaks so


@contextmanager
def say_if_interrupted(text: str) -> Iterator[None]:
    """Print a message on stderr where Ctrl-C ends the block: asyncio cancels what runs in it."""
    try:
        yield
    except asyncio.CancelledError:
        say(text)
        raise


def print_result(text: str) -> None:
    """Print a result on stdout, for people and scripts."""
    print(replace_unprintable(text), flush=True)  # noqa: T201  # the command line speaks so


def print_json(value: object) -> None:
    """Print one JSON document for scripts, in ASCII: its text may come from any archive."""
    print(json.dumps(msgspec.json.decode(msgspec.json.encode(value))), flush=True)  # noqa: T201  # the command line speaks so


@contextmanager
def show_transfer(label: str, *, begun: int = 0) -> Iterator[ByteReporter]:
    """Show the progress of a transfer: a bar on a terminal, else a line every ten seconds and at the end.

    The rate does not count the ``begun`` bytes of an earlier run.
    """
    console = Console(stderr=True)
    with _bar(label, console) if console.is_terminal else _lines(label, begun) as report:
        yield report


@contextmanager
def _bar(label: str, console: Console) -> Iterator[ByteReporter]:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _lines(label: str, begun: int) -> Iterator[ByteReporter]:
    started = said = time.monotonic()
    last: tuple[int, int | None] = (begun, None)

    def report(done: int, total: int | None) -> None:
        nonlocal started, said, last
        if last[0] == begun:  # the server let the transfer wait until now
            started = said = time.monotonic()
        last = (done, total)
        if time.monotonic() - said >= _PLAIN_INTERVAL:
            said = time.monotonic()
            say(_line(label, last, said - started, begun=begun))

    yield report
    say(_line(label, last, time.monotonic() - started, begun=begun))


def _line(label: str, progress: tuple[int, int | None], seconds: float, *, begun: int) -> str:
    done, total = progress
    whole = "" if total is None or total == done else f" of {decimal(total)}"
    rate = int((done - begun) / max(seconds, 0.001))
    return f"{label}: {decimal(done)}{whole}, {decimal(rate)}/s, {seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Measure:
    """The progress of a job: bytes done and in total, lines, bytes a second, seconds left; or None."""

    done: int
    total: int | None
    lines: int
    rate: int | None
    remaining: int | None

    def __str__(self) -> str:
        """Return the known values as text."""
        whole = "" if self.total is None or self.total <= self.done else f" of {decimal(self.total)}"
        words = [f"{decimal(self.done)}{whole}"]
        words += [counted(self.lines, "line")] if self.lines else []
        words += [] if self.rate is None else [f"{decimal(self.rate)}/s"]
        words += [] if self.remaining is None else [f"{timedelta(seconds=self.remaining)} left"]
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class ObjectCounts:
    """The objects of an import from GitHub, by type; until when it waits for GitHub, if it does."""

    fetched: Mapping[str, int]
    imported: Mapping[str, int]
    waits_until: datetime | None = None

    @property
    def done(self) -> int:
        """How many are imported."""
        return sum(self.imported.values())

    @property
    def total(self) -> int:
        """How many there are, as far as is known."""
        return sum(self.fetched.values())

    def __str__(self) -> str:
        """Return what is known as text."""
        most = sorted(self.fetched, key=self.fetched.__getitem__, reverse=True)[:_MOST_TYPES]
        types = ", ".join(f"{name} {self.imported.get(name, 0):,}/{self.fetched[name]:,}" for name in most)
        words = f"{self.done:,} of {counted(self.total, 'object')}" + (f" ({types})" if types else "")
        if self.waits_until is None:
            return words
        return f"{words}, GitHub takes no more requests until {self.waits_until:%H:%M:%S} UTC"


JobReporter: TypeAlias = Callable[[str, Measure | ObjectCounts | None], None]
"""Receives the state of a job, and its progress, which is None while unknown."""


@contextmanager
def show_job(label: str) -> Iterator[JobReporter]:
    """Show the progress of a job: a spinner and a bar on a terminal, else lines at changes and every 10 s."""
    console = Console(stderr=True)
    with _spinner(label, console) if console.is_terminal else _changes(label) as show:
        yield show


@contextmanager
def _spinner(label: str, console: Console) -> Iterator[JobReporter]:
    plain = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    measured = (*plain, BarColumn(), TextColumn("{task.fields[measure]}", markup=False))
    with Progress(*plain, console=console) as progress:
        task = progress.add_task(label, total=None, measure="")

        def show(state: str, measure: Measure | ObjectCounts | None) -> None:
            told = f"{label}: {replace_unprintable(state)}"
            if measure is None:
                progress.update(task, description=told)
                return
            progress.columns = measured
            progress.update(
                task, description=told, completed=measure.done, total=measure.total, measure=str(measure)
            )

        yield show


@contextmanager
def _changes(label: str) -> Iterator[JobReporter]:
    last, said = "", time.monotonic()

    def show(state: str, measure: Measure | ObjectCounts | None) -> None:
        nonlocal last, said
        due = measure is not None and time.monotonic() - said >= _PLAIN_INTERVAL
        if state != last or due:
            say(f"{label}: {state}" if measure is None else f"{label}: {state}, {measure}")
            last, said = state, time.monotonic()

    yield show


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, stderr: bool = False
) -> None:
    """Print a table; without a terminal, lines with two spaces between the values."""
    console = Console(stderr=stderr)
    if not console.is_terminal:
        for row in (columns, *rows):
            (say if stderr else print_result)("  ".join(replace_unprintable(value) for value in row))
        return
    drawn = Table(*columns, title=Text(title), title_justify="left")
    for row in rows:
        drawn.add_row(*(Text(replace_unprintable(value)) for value in row))
    console.print(drawn)
