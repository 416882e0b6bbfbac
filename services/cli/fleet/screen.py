"""Shows many running projects: a bar for each on a terminal, else a line for each that has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from services.cli.terminal import replace_unprintable, say

TaskReporter: TypeAlias = Callable[[str, int, int | None], None]
"""Takes what a project is at, and the bytes done and in total, which is None while unknown."""


class Screen(Protocol):
    """Shows how far all are."""

    def task(self, name: str) -> AbstractContextManager[TaskReporter]:
        """Show a project while the block runs."""

    def end(self, name: str, state: str, *, bytes: int, why: str | None) -> None:  # noqa: A002  # as in Outcome
        """Show what came of a project."""


@contextmanager
def show_many(verb: str, total: int) -> Iterator[Screen]:
    """Show ``total`` projects, of which each is one that ``verb`` tells: ``Backing up``."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(total)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as running:
        yield _Bars(running, verb, total)


class _Lines:
    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0

    @contextmanager
    def task(self, name: str) -> Iterator[TaskReporter]:  # noqa: ARG002  # see Screen
        yield lambda _state, _done, _total: None

    def end(self, name: str, state: str, *, bytes: int, why: str | None) -> None:  # noqa: A002  # see Screen
        self._ended += 1
        say(f"[{self._ended}/{self._total}] {_line(name, state, bytes, why)}")


class _Bars:
    def __init__(self, progress: Progress, verb: str, total: int) -> None:
        self._progress = progress
        self._verb = verb
        self._total = total
        self._ended = self._failed = 0
        self._all = progress.add_task(verb, total=None)
        self._tell()

    @contextmanager
    def task(self, name: str) -> Iterator[TaskReporter]:
        shown = replace_unprintable(name)
        task = self._progress.add_task(shown, total=None)
        try:
            yield lambda state, done, total: self._progress.update(
                task, description=f"{shown}: {state}", completed=done, total=total
            )
        finally:
            self._progress.remove_task(task)

    def end(self, name: str, state: str, *, bytes: int, why: str | None) -> None:  # noqa: A002  # see Screen
        self._ended += 1
        self._failed += state == "failed"
        self._progress.advance(self._all, bytes)
        self._tell()
        if state == "failed":
            self._progress.console.print(replace_unprintable(_line(name, state, bytes, why)), markup=False)

    def _tell(self) -> None:
        failed = f", {self._failed} failed" if self._failed else ""
        self._progress.update(self._all, description=f"{self._verb} {self._ended} of {self._total}{failed}")


def _line(name: str, state: str, count: int, why: str | None) -> str:
    size = f", {decimal(count)}" if count else ""
    return f"{name}: {state}{size}" + (f", {why}" if why else "")
