"""Shows jobs as they change, by the events of the server: a table on a terminal, else a line for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.client import GitLabClient
from services.cli.crossdock_api import JobAnswer, JobClient, JobProgress
from services.cli.event_stream import Event, EventStream, JobEventData
from services.cli.formats import explained, moment
from services.cli.polling import to_measure
from services.cli.terminal import print_result, replace_unprintable

_REDRAWS = 4
"""Redraws of the table a second, at most."""

_ASKED = ".queued"
"""The last part of the names of events that are the first of their job."""

_LEFT_OUT = "progress"
"""The last part of the names of events that tell of no move of their job."""


@dataclass(frozen=True, slots=True)
class Row:
    """A job, as it is shown."""

    id: int
    kind: str
    state: str
    project: str
    detail: str


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs are shown; None is no condition. ``project`` is an id or a full path."""

    state: str | None = None
    kind: str | None = None
    code: str | None = None
    project: str | None = None
    user_id: int | None = None

    def matches(self, data: JobEventData) -> bool:
        """Tell whether the job of an event is among them, as it is now."""
        of_project = {str(data.project.id), data.project.path_with_namespace.lower()}
        return (
            self.state in {None, data.job.state}
            and self.kind in {None, data.job.kind}
            and self.code in {None, data.error_code}
            and self.user_id in {None, data.user_id}
            and (self.project is None or self.project.strip("/").lower() in of_project)
        )


class Board(Protocol):
    """Shows jobs, and the events that change them."""

    def list(self, jobs: Iterator[Row]) -> None:
        """Show what there is at the beginning."""

    def change(self, event: Event, *, matches: bool) -> None:
        """Show an event; a job that matches no longer goes."""


class JobWatch:
    """Watches the jobs of a server that match a filter, until it is cancelled."""

    def __init__(self, client: GitLabClient, shown: JobFilter, board: Board) -> None:
        self._client = client
        self._filter = shown
        self._board = board
        self._has_begun = False

    async def run(self, *, limit: int, query: Mapping[str, str]) -> None:
        """List the newest ``limit`` jobs by ``query``, then follow. Raises as EventStream does."""

        async def take(event: Event | None) -> None:
            if not self._has_begun:  # only now no event can come between the list and the stream
                self._has_begun = True
                found = [job async for job in JobClient(self._client).list(limit=limit, filters=query)]
                self._board.list(map(_row_of_job, found))
            if event is not None:
                self._board.change(event, matches=self._filter.matches(event.data))

        await EventStream(self._client).read(take)


@contextmanager
def open_board(*, limit: int, json: bool) -> Iterator[Board]:
    """Open what shows jobs: lines of JSON, lines of text, or on a terminal a table of ``limit`` rows."""
    console = Console()
    if json or not console.is_terminal:
        yield JsonLines() if json else Lines()
        return
    with Live(console=console, refresh_per_second=_REDRAWS) as live:
        yield LiveTable(live, limit)


class JsonLines:
    """Prints each event as the CloudEvent that it is, one a line."""

    def list(self, jobs: Iterator[Row]) -> None:
        """Print nothing: a list is what the command without --watch gives."""

    def change(self, event: Event, *, matches: bool) -> None:
        """See Board."""
        if matches:
            sys.stdout.write(msgspec.json.encode(event.document).decode() + "\n")
            sys.stdout.flush()


class Lines:
    """Prints a line for each move of a job."""

    def list(self, jobs: Iterator[Row]) -> None:
        """See Board."""
        for row in reversed(list(jobs)):
            print_result(
                f"{row.id}  {row.kind}  {row.state}  {row.project}{row.detail and '  ' + row.detail}"
            )

    def change(self, event: Event, *, matches: bool) -> None:
        """See Board."""
        if matches and not event.name.endswith(_LEFT_OUT):
            print_result(line_of(event))


class LiveTable:
    """A table of the newest jobs, in which events change the rows."""

    def __init__(self, live: Live, limit: int) -> None:
        self._live = live
        self._limit = limit
        self._rows: dict[int, Row] = {}

    def list(self, jobs: Iterator[Row]) -> None:
        """See Board."""
        self._rows = {row.id: row for row in jobs}
        self._draw()

    def change(self, event: Event, *, matches: bool) -> None:
        """See Board."""
        if matches:
            self._rows[event.data.job.id] = _row_of_event(event)
        else:
            self._rows.pop(event.data.job.id, None)
        for oldest in sorted(self._rows)[: -self._limit]:
            del self._rows[oldest]
        self._draw()

    def _draw(self) -> None:
        table = Table("id", "kind", "state", "project", "how far", title="Jobs", title_justify="left")
        for number in sorted(self._rows, reverse=True):
            row = self._rows[number]
            cells = (row.id, row.kind, row.state, row.project, row.detail)
            table.add_row(*(Text(replace_unprintable(cell)) for cell in cells))
        self._live.update(table)


async def print_events(client: GitLabClient, job: int, *, follow: bool, json: bool) -> None:
    """Print the events of a job, as lines of text or of JSON, to its end, or as many as there are."""
    printed = JsonLines() if json else Lines()

    async def take(event: Event | None) -> None:
        if event is not None:
            printed.change(event, matches=True)

    await EventStream(client, job=job, follow=follow).read(take)


async def watch(client: GitLabClient, query: Mapping[str, str | None], *, limit: int, json: bool) -> None:
    """Show the newest ``limit`` jobs that match ``query``, the filters of the list, and what becomes of them.

    Ends only when it is cancelled.
    """
    given = {name: value for name, value in query.items() if value is not None}
    shown = JobFilter(
        state=query["state"], kind=query["kind"], code=query["code"], project=query["project"],
        user_id=await _user_id(client, mine=query["mine"] is not None, user=query["user"]),
    )  # fmt: skip
    with open_board(limit=limit, json=json) as board:
        await JobWatch(client, shown, board).run(limit=limit, query=given)


async def _user_id(client: GitLabClient, *, mine: bool, user: str | None) -> int | None:
    if mine:
        return await client.own_id()
    return None if user is None else int(user) if user.isdecimal() else await client.user_id(user)


def line_of(event: Event) -> str:
    """Write an event as a line: when, which job, what happened, and how far it is or what was wrong."""
    job = event.data.job
    words = [
        moment(event.time),
        f"{job.id}",
        event.name,
        event.data.project.path_with_namespace,
    ]
    words += [f"attempt {job.attempt} of {job.max_attempts}"] if job.attempt > 1 else []
    words += [f"retry of job {job.retry_of}"] if job.retry_of and event.name.endswith(_ASKED) else []
    words += [f"by {job.canceled_by.username}"] if job.canceled_by else []
    detail = _detail(event.data.progress, event.data.error)
    return "  ".join([*words, detail] if detail else words)


def _row_of_job(job: JobAnswer) -> Row:
    path = job.project.path_with_namespace
    return Row(job.id, job.kind, job.state, path, _detail(job.progress, job.error))


def _row_of_event(event: Event) -> Row:
    data = event.data
    path = data.project.path_with_namespace
    return Row(data.job.id, data.job.kind, data.job.state, path, _detail(data.progress, data.error))


def _detail(progress: JobProgress, error: str | None) -> str:
    if error:
        return explained(error)
    measure = to_measure(progress)
    return "" if measure is None else str(measure)
