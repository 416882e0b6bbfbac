"""Operations on schedules and their runs: Crossdock's own API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from services.cli.client import GitLabClient
from services.cli.crossdock_api import UserOfJob
from services.cli.destinations import DestinationClient
from services.cli.errors import JobFailed, UsageError
from services.cli.formats import moment
from services.cli.json_api import JsonApi
from services.cli.polling import limit_wait
from services.cli.terminal import print_result, print_table, say

_POLL = timedelta(seconds=2)
_ENDED = ("finished", "partial", "failed", "canceled")


class ScheduleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule: what goes to a destination, or comes from a source into a group."""

    id: int
    name: str
    destination_id: int | None
    source_id: int | None = None
    into: str | None = None
    cron: str
    time_zone: str
    paused: bool
    next_run_at: datetime | None


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A run, with the number of its projects by their state."""

    id: int
    schedule_id: int
    due_at: datetime
    cause: str
    missed: int
    state: str
    projects: Mapping[str, int]
    error: str | None
    error_code: str | None
    finished_at: datetime | None
    canceled_by: UserOfJob | None = None


class RunProjectAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a project in a run."""

    path_with_namespace: str
    state: str
    why: str | None
    code: str | None
    file: str | None
    size: int | None


class SchedulesResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock schedules list``, and what changes one."""

    schedules: Sequence[ScheduleAnswer]

    def show(self) -> None:
        """See Result."""
        rows = [
            (
                each.id,
                each.name,
                each.cron,
                each.time_zone,
                moment(each.next_run_at) if each.next_run_at else "paused",
            )
            for each in self.schedules
        ]
        print_table("", ("id", "name", "cron", "time zone", "next run"), rows)


class RunsResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock schedules runs``: the newest first."""

    runs: Sequence[RunAnswer]

    def show(self) -> None:
        """See Result."""
        rows = [
            (each.id, moment(each.due_at), each.cause, each.state, _counts(each.projects), each.error or "")
            for each in self.runs
        ]
        print_table("", ("id", "due", "cause", "state", "projects", "error"), rows)


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock schedules run`` and ``show``: a run, and its projects where they were asked for."""

    run: RunAnswer
    projects: Sequence[RunProjectAnswer] = ()

    def show(self) -> None:
        """See Result."""
        if self.projects:
            rows = [
                (each.path_with_namespace, each.state, each.file or each.why or "") for each in self.projects
            ]
            print_table("", ("project", "state", "file, or why"), rows)
        by = f" by {self.run.canceled_by.username}" if self.run.canceled_by else ""
        counts = _counts(self.run.projects) or "no projects"
        print_result(f"run {self.run.id}: {self.run.state}{by}, {counts}")


class DoneResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, of a command that has nothing else to tell."""

    done: str

    def show(self) -> None:
        """See Result."""
        print_result(self.done)


def _next(run: datetime | None) -> str:
    return "paused" if run is None else moment(run)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


class RunFailed(JobFailed):
    """A run has failed, or some of its projects have."""

    code = "run_failed"


class ScheduleClient:
    """Calls the schedules of a server, which are named by id or name.

    Every method raises RefusedByServer, ServerUnreachable and, for a name of none, UsageError.
    """

    def __init__(self, client: GitLabClient) -> None:
        self._destinations = DestinationClient(client)
        self._json_api = JsonApi(client.session, client.api.removesuffix("/api/v4") + "/api/crossdock/v1")

    async def list_schedules(self) -> SchedulesResult:
        """List all schedules."""
        found = self._json_api.items("/schedules", ScheduleAnswer)
        return SchedulesResult(schedules=[each async for each in found])

    async def create_schedule(
        self, destination: str, fields: Mapping[str, object], *, into: str | None = None
    ) -> SchedulesResult:
        """Create a schedule; with ``into`` the destination is where projects come from."""
        number = (await self._destinations.find(destination)).id
        place = {"destination_id": number} if into is None else {"source_id": number, "into": into}
        given = {**fields, **place}
        answer = await self._json_api.call_once("POST", "/schedules", ScheduleAnswer, json=given)
        return SchedulesResult(schedules=[answer.body])

    async def switch(self, reference: str, verb: str) -> SchedulesResult:
        """Pause a schedule, or resume it."""
        found = await self._schedule(reference)
        answer = await self._json_api.call("POST", f"/schedules/{found.id}/{verb}", ScheduleAnswer)
        return SchedulesResult(schedules=[answer.body])

    async def delete_schedule(self, reference: str) -> DoneResult:
        """Delete a schedule."""
        found = await self._schedule(reference)
        await self._json_api.call("DELETE", f"/schedules/{found.id}", object)
        return DoneResult(done=f"{found.name} is deleted; what it has sent stays")

    async def list_runs(self, reference: str, *, limit: int) -> RunsResult:
        """List the newest runs of a schedule."""
        found = await self._schedule(reference)
        listed = self._json_api.items(f"/schedules/{found.id}/runs", RunAnswer, limit=limit)
        return RunsResult(runs=[each async for each in listed])

    async def show_run(self, number: int, *, failed: bool) -> RunResult:
        """Show a run with its projects, or with those that failed."""
        run = (await self._json_api.call("GET", f"/runs/{number}", RunAnswer)).body
        query = {"state": "failed"} if failed else {}
        listed = self._json_api.items(f"/runs/{number}/projects", RunProjectAnswer, query=query)
        return RunResult(run=run, projects=[each async for each in listed])

    async def cancel_run(self, number: int) -> RunResult:
        """Cancel a run."""
        return RunResult(run=(await self._json_api.call("POST", f"/runs/{number}/cancel", RunAnswer)).body)

    async def run(self, reference: str, *, within: timedelta | None) -> RunResult:
        """Run a schedule now; wait for its end where ``within`` is given. Raises RunFailed, WaitTimedOut."""
        found = await self._schedule(reference)
        started = await self._json_api.call_once("POST", f"/schedules/{found.id}/run", RunAnswer)
        if within is None:
            return RunResult(run=started.body)
        async with limit_wait(within, f"run {started.body.id}"):
            run = await self._wait(started.body)
        result = await self.show_run(run.id, failed=True)
        if run.state != "finished":
            for each in result.projects:
                say(f"{each.path_with_namespace}: {each.why}")
            failure = RunFailed(f"run {run.id} is {run.state}: {run.error or 'it was canceled'}")
            failure.document = result
            raise failure
        return result

    async def _wait(self, run: RunAnswer) -> RunAnswer:
        while run.state not in _ENDED:
            await asyncio.sleep(_POLL.total_seconds())
            run = (await self._json_api.call("GET", f"/runs/{run.id}", RunAnswer)).body
        return run

    async def _schedule(self, reference: str) -> ScheduleAnswer:
        async for each in self._json_api.items("/schedules", ScheduleAnswer):
            if reference in {str(each.id), each.name}:
                return each
        raise UsageError(f"there is no schedule {reference!r}: crossdock schedules list shows them")
