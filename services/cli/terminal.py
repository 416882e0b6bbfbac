"""What a person sees: bars and tables on a terminal, plain lines elsewhere; on stderr but for results."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import msgspec
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

Report: TypeAlias = Callable[[int, int | None], None]
"""Is told the bytes that are done and the bytes in all, None while nobody knows."""

_PLAIN_INTERVAL = 10.0


def printable(text: object) -> str:
    """``text`` without characters that a terminal would act upon: it may come from a stranger's archive."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text))


def say(text: str) -> None:
    """Tell a person something that is no result."""
    print(printable(text), file=sys.stderr, flush=True)  # noqa: T201  # the command line speaks so


def result(text: str) -> None:
    """Print a result, for people and scripts."""
    print(printable(text), flush=True)  # noqa: T201  # the command line speaks so


def document(value: object) -> None:
    """Print one JSON document for scripts, in ASCII: it may show a stranger's text on a terminal."""
    print(json.dumps(msgspec.to_builtins(value)), flush=True)  # noqa: T201  # the command line speaks so


@contextmanager
def transfer(label: str, *, begun: int = 0) -> Iterator[Report]:
    """Show how far a transfer is: a bar on a terminal, else a line every ten seconds and at the end.

    ``begun`` bytes were there before, and count for no rate.
    """
    console = Console(stderr=True)
    with _bar(label, console) if console.is_terminal else _lines(label, begun) as report:
        yield report


@contextmanager
def _bar(label: str, console: Console) -> Iterator[Report]:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _lines(label: str, begun: int) -> Iterator[Report]:
    started = said = time.monotonic()
    last: tuple[int, int | None] = (begun, None)

    def report(done: int, total: int | None) -> None:
        nonlocal said, last
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


@contextmanager
def waiting(label: str) -> Iterator[Callable[[str], None]]:
    """Show the state of a job one waits for: a spinner on a terminal, else a line at each change."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _changes(label)
        return
    with console.status(Text(label)) as status:
        yield lambda state: status.update(Text(f"{label}: {printable(state)}"))


def _changes(label: str) -> Callable[[str], None]:
    last = ""

    def show(state: str) -> None:
        nonlocal last
        if state != last:
            say(f"{label}: {state}")
        last = state

    return show


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, stderr: bool = False
) -> None:
    """Print a table; elsewhere than on a terminal, lines with two spaces between the values."""
    console = Console(stderr=stderr)
    if not console.is_terminal:
        for row in (columns, *rows):
            (say if stderr else result)("  ".join(printable(value) for value in row))
        return
    drawn = Table(*columns, title=Text(title), title_justify="left")
    for row in rows:
        drawn.add_row(*(Text(printable(value)) for value in row))
    console.print(drawn)
