"""The commands ``crossdock schedules``, which work with a Crossdock only."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from services.cli.help import WholeHelp
from services.cli.options import DAY, ExcludedRelations, Json, Relations, Seconds
from services.cli.server import Server, on_server

if TYPE_CHECKING:
    from services.cli.client import GitLabClient
    from services.cli.results import Result
    from services.cli.schedules import ScheduleClient

app = typer.Typer(
    cls=WholeHelp,
    help="Backups that a server makes again and again, or what it fetches from another.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Schedule: TypeAlias = Annotated[str, typer.Argument(metavar="NAME|ID", show_default=False)]
RunNumber: TypeAlias = Annotated[int, typer.Argument(metavar="RUN", show_default=False)]
Kept: TypeAlias = Annotated[int, typer.Option(min=0, max=10_000, show_default=False)]


def _with_schedules(
    work: Callable[[ScheduleClient], Awaitable[Result]], server: Server, *, json: bool
) -> None:
    from services.cli.project_commands import with_client
    from services.cli.schedules import ScheduleClient

    async def call(client: GitLabClient) -> Result:
        return await work(ScheduleClient(client))

    with_client(call, server, json=json)


@app.command("list")
@on_server
def list_schedules(*, server: Server, json: Json = False) -> None:
    """List your schedules; administrators see those of all users.

    Keys with --json: schedules (id, name, destination_id, source_id, into, cron,
    time_zone, paused, next_run_at).
    """
    _with_schedules(lambda client: client.list_schedules(), server, json=json)


@app.command("create")
@on_server
def create_schedule(  # noqa: PLR0913  # the options of a command
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)],
    *,
    to: Annotated[
        str | None, typer.Option(metavar="NAME|ID", help="The destination.", show_default=False)
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|ID", help="A GitLab or Crossdock to fetch from, instead."),
    ] = None,
    into: Annotated[
        str | None, typer.Option(metavar="GROUP", help="With --from: the group here, which you own.")
    ] = None,
    cron: Annotated[
        str, typer.Option(help="Minute, hour, day, month, weekday; or @daily.", show_default=False)
    ],
    time_zone: Annotated[str, typer.Option(help="Of the times.")] = "UTC",
    project: Annotated[
        list[str] | None, typer.Option(metavar="ID|PATH", help="A project; may be repeated.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="All projects of this group and below.")] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Only those whose full path is like this; * takes slashes too."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All projects that you may export.")] = False,
    relations: Relations = None,
    excluded_relations: ExcludedRelations = None,
    keep_last: Kept = 0,
    keep_daily: Kept = 0,
    keep_weekly: Kept = 0,
    keep_monthly: Kept = 0,
    keep_yearly: Kept = 0,
    server: Server,
    json: Json = False,
) -> None:
    """Have the server back projects up again and again, to a destination, or --from a GitLab --into a group.

    What is not kept by an option goes after each run; without one, all is kept. The newest archive of a
    project always stays.

    Example: crossdock schedules create nightly --to vault --cron '0 2 * * *' --all --keep-daily 7

    Keys with --json: schedules (id, name, destination_id, source_id, into, cron,
    time_zone, paused, next_run_at).
    """
    from services.cli.client import selection_parameters
    from services.cli.relations import read_selection

    kept = {
        "last": keep_last, "daily": keep_daily, "weekly": keep_weekly, "monthly": keep_monthly,
        "yearly": keep_yearly,
    }  # fmt: skip
    named = {"projects": project, "group": group, "patterns": match}
    fields: dict[str, object] = {
        "name": name, "cron": cron, "time_zone": time_zone, "all": everything, "retention": kept,
        **{key: value for key, value in named.items() if value},
        **selection_parameters(read_selection(relations, excluded_relations)),
    }  # fmt: skip
    place = _place(to, source, into)
    _with_schedules(lambda client: client.create_schedule(place, fields, into=into), server, json=json)


def _place(to: str | None, source: str | None, into: str | None) -> str:
    """Return the destination, or the source. Raises UsageError unless one of both is given."""
    from services.cli.errors import UsageError

    place = to if source is None else source
    if place is None or (to is not None and source is not None):
        raise UsageError("give --to a destination, or --from a source --into a group")
    if (source is None) != (into is None):
        raise UsageError("--from and --into belong together")
    return place


@app.command("run")
@on_server
def run(
    schedule: Schedule,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end.")] = False,
    timeout: Seconds = DAY,
    server: Server,
    json: Json = False,
) -> None:
    """Run a schedule now. With --wait the exit code is 1 where a project has failed.

    Keys with --json: run (id, state, projects, error and more), projects (those that failed).
    """
    within = timedelta(seconds=timeout) if wait else None
    _with_schedules(lambda client: client.run(schedule, within=within), server, json=json)


@app.command("runs")
@on_server
def runs(
    schedule: Schedule,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    server: Server,
    json: Json = False,
) -> None:
    """List the runs of a schedule, the newest first.

    Keys with --json: runs (id, schedule_id, due_at, cause, missed, state, projects, error, error_code,
    finished_at).
    """
    _with_schedules(lambda client: client.list_runs(schedule, limit=limit), server, json=json)


@app.command("show")
@on_server
def show(
    run: RunNumber,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only projects that failed.")] = False,
    server: Server,
    json: Json = False,
) -> None:
    """Show a run, and what came of each project.

    Keys with --json: run, projects (path_with_namespace, state, why, code, file, size).
    """
    _with_schedules(lambda client: client.show_run(run, failed=failed), server, json=json)


@app.command("cancel")
@on_server
def cancel(run: RunNumber, *, server: Server, json: Json = False) -> None:
    """Cancel a run, and its jobs.

    Keys with --json: run (as runs lists it), projects (none).
    """
    _with_schedules(lambda client: client.cancel_run(run), server, json=json)


@app.command("pause")
@on_server
def pause(schedule: Schedule, *, server: Server, json: Json = False) -> None:
    """Let a schedule be due no more; a run that is under way goes on.

    Keys with --json: schedules (the one, as list shows it).
    """
    _with_schedules(lambda client: client.switch(schedule, "pause"), server, json=json)


@app.command("resume")
@on_server
def resume(schedule: Schedule, *, server: Server, json: Json = False) -> None:
    """Let a schedule be due again; what it missed is not caught up.

    Keys with --json: schedules (the one, as list shows it).
    """
    _with_schedules(lambda client: client.switch(schedule, "resume"), server, json=json)


@app.command("delete")
@on_server
def delete_schedule(schedule: Schedule, *, server: Server, json: Json = False) -> None:
    """Delete a schedule with its runs; what it has sent stays.

    Keys with --json: done (what was done, in a sentence).
    """
    _with_schedules(lambda client: client.delete_schedule(schedule), server, json=json)
