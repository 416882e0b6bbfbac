"""Commands on jobs, which work with a Crossdock only."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from services.cli.options import DAY, Json, JsonOfEvents, JsonOfJobs, Seconds
from services.cli.project_commands import with_client
from services.cli.server import Server, on_server

if TYPE_CHECKING:
    from services.cli.client import GitLabClient
    from services.cli.results import Result

app = typer.Typer(rich_markup_mode=None)

JobNumber: TypeAlias = Annotated[
    int, typer.Argument(metavar="JOB", help="Number of the job.", min=1, show_default=False)
]


class Kind(Enum):
    """Kinds of jobs."""

    IMPORT = "import"
    EXPORT = "export"
    RELATION_IMPORT = "relation_import"
    UPLOAD = "upload"
    BACKUP = "backup"


class State(Enum):
    """States of jobs."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELED = "canceled"


OfKind: TypeAlias = Annotated[Kind | None, typer.Option(help="Only jobs of this kind.")]
Code: TypeAlias = Annotated[str | None, typer.Option(help="Only jobs whose error has this code.")]
OfProject: TypeAlias = Annotated[
    str | None, typer.Option(help="Only jobs of this project: id, or group/name.")
]
OfUser: TypeAlias = Annotated[str | None, typer.Option(help="Only jobs of this user: id, or username.")]


@app.command()
@on_server
def jobs(  # noqa: PLR0913  # the options of a command
    *,
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: OfKind = None,
    code: Code = None,
    project: OfProject = None,
    user: OfUser = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only your own jobs.")] = False,
    since: Annotated[datetime | None, typer.Option(help="Only jobs created after this time (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of jobs.")] = 20,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Then show what changes, until Ctrl-C.")
    ] = False,
    server: Server,
    json: JsonOfJobs = False,
) -> None:
    """List jobs, the newest first, with the error of those that failed.

    With --watch, the jobs of projects of which you are a maintainer stay on the screen and change there;
    without a terminal, each move of a job is a line.

    Keys with --json: jobs (each as in GET /api/crossdock/v1/jobs/:id; progress has no relations), has_more
    (whether there are older ones). With --watch instead a line for each event, as in
    GET /api/crossdock/v1/events.
    """
    from services.cli import job_operations

    filters = {
        "state": state and state.value,
        "kind": kind and kind.value,
        "code": code,
        "project": project,
        "user": user,
        "mine": "true" if mine else None,
        "created_after": f"{since.isoformat()}Z" if since else None,
    }

    async def work(client: GitLabClient) -> Result | None:
        if not watch:
            return await job_operations.list_jobs(client, limit=limit, filters=filters)
        from services.cli.job_watch import watch as show

        await show(client, filters, limit=limit, json=json)
        return None

    with_client(work, server, json=json)


@app.command()
@on_server
def logs(
    job: JobNumber,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    server: Server,
    json: JsonOfEvents = False,
) -> None:
    """Show what a job went through: when it began, its attempts and their errors, how far it is, its end.

    With --json: a line for each event, as in GET /api/crossdock/v1/jobs/:id/events.
    """
    from services.cli.job_watch import print_events

    with_client(lambda client: print_events(client, job, follow=follow, json=json), server, json=json)


@app.command()
@on_server
def cancel(job: JobNumber, *, server: Server, json: Json = False) -> None:
    """Cancel a job that has not ended.

    Keys with --json: job (as in GET /api/crossdock/v1/jobs/:id), error, error_code.
    """
    from services.cli.job_operations import cancel as move

    with_client(lambda client: move(client, job), server, json=json)


@app.command()
@on_server
def wait(job: JobNumber, *, timeout: Seconds = DAY, server: Server, json: Json = False) -> None:
    """Wait until a job ends. The exit code is 1 where it fails or is canceled.

    Keys with --json: job (as in GET /api/crossdock/v1/jobs/:id), error, error_code.
    """
    from services.cli.job_operations import wait as follow

    within = timedelta(seconds=timeout)
    with_client(lambda client: follow(client, job, within=within), server, json=json)


@app.command()
@on_server
def retry(
    job: JobNumber,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the new job ends.")] = False,
    timeout: Seconds = DAY,
    server: Server,
    json: Json = False,
) -> None:
    """Retry a failed or canceled job as a new job.

    Keys with --json: job (the new one, as in GET /api/crossdock/v1/jobs/:id), error, error_code.
    """
    from services.cli.job_operations import retry as move

    within = timedelta(seconds=timeout) if wait else None
    with_client(lambda client: move(client, job, within=within), server, json=json)


@app.command()
@on_server
def retry_failed(  # noqa: PLR0913  # the options of a command
    *,
    kind: OfKind = None,
    code: Code = None,
    project: OfProject = None,
    user: OfUser = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only jobs that failed after this time (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of jobs.")] = 1000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell how many would be retried or refused.")
    ] = False,
    server: Server,
    json: Json = False,
) -> None:
    """Retry failed jobs of all users, the newest first, as an administrator.

    Jobs that a later one has replaced, such as a retry, are left out.

    Keys with --json: dry_run, matched (ids), retried (id, job_id of the new job), refused (id, code, error;
    with --dry-run those that would be).
    """
    from services.cli.job_operations import retry_failed as retry_all

    filters = {
        "kind": kind and kind.value,
        "code": code,
        "project": project,
        "user": user,
        "finished_after": f"{since.isoformat()}Z" if since else None,
    }
    with_client(
        lambda client: retry_all(client, limit=limit, dry_run=dry_run, filters=filters),
        server,
        json=json,
    )
