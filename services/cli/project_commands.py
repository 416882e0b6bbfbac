"""The commands that move projects."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from services.cli.errors import UsageError
from services.cli.options import DAY, URL, Json, Seconds, Token, Url

if TYPE_CHECKING:
    from services.cli.client import GitLabClient
    from services.cli.results import Result

app = typer.Typer(rich_markup_mode=None)

ProjectArgument: TypeAlias = Annotated[str, typer.Argument(help="Its id, or group/name.", show_default=False)]


@app.command(name="import")
def import_(  # noqa: PLR0913  # the options of a command
    file: Annotated[Path, typer.Argument(help="An archive that ends in .gz.", show_default=False)],
    *,
    path: Annotated[str, typer.Option(help="group/name of the new project.", show_default=False)],
    token: Token = "",
    url: Url = URL,
    name: Annotated[str | None, typer.Option(help="Its title, if it is not its path.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a project of that path.")] = False,
    override: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Replace an attribute.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it is done.")] = True,
    timeout: Seconds = DAY,
    json: Json = False,
) -> None:
    """Upload an archive as a new project.

    Keys with --json: project (id, path_with_namespace), job (its number, null at a GitLab), state, error,
    error_code (null where a GitLab's import failed), failed_relations (relation_name, line_number,
    exception_class, exception_message).
    """
    from services.cli import imports

    async def work(client: GitLabClient) -> Result:
        to = imports.import_request(path, name=name, overwrite=overwrite, override=override or ())
        within = timedelta(seconds=timeout) if wait else None
        return await imports.import_project(client, file, to, within=within)

    with_client(work, url=url, token=token, json=json)


@app.command()
def export(
    project: ProjectArgument,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write, - for stdout.", show_default=False)
    ],
    token: Token = "",
    url: Url = URL,
    description: Annotated[str | None, typer.Option(help="Replaces the project's in the archive.")] = None,
    resume: Annotated[
        bool, typer.Option(help="Finish what the same command left behind; else make a new export.")
    ] = True,
    timeout: Seconds = DAY,
    json: Json = False,
) -> None:
    """Export a project and download its archive.

    Where the connection breaks for good, or after Ctrl-C, what arrived is kept beside FILE as
    FILE.<etag>-<command>.part. The same command then downloads the rest of that archive instead of making a
    new export, as long as the server has it.

    Keys with --json: project (id, path_with_namespace), job (its number, null at a GitLab or where an older
    export was finished), state, error, error_code (null where a GitLab's export failed), file, bytes, sha256.
    """
    from services.cli.exports import export_project

    async def work(client: GitLabClient) -> Result:
        if json and output == "-":
            raise UsageError("--json and --output - would both write to stdout: name a file")
        target = None if output == "-" else Path(output)
        within = timedelta(seconds=timeout)
        return await export_project(
            client, project, target, description=description, within=within, resume=resume
        )

    with_client(work, url=url, token=token, json=json and output != "-")


@app.command()
def status(
    project: Annotated[
        str | None, typer.Argument(help="A project's id, or group/name.", show_default=False)
    ] = None,
    *,
    job: Annotated[int | None, typer.Option(min=1, help="A job's number, instead of a project.")] = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="List all failed relations, not the newest 100 (Crossdock).")
    ] = False,
    token: Token = "",
    url: Url = URL,
    json: Json = False,
) -> None:
    """Show the state of a project's import and export, or of one job.

    Keys with --json: project (id, path_with_namespace), import (state, error, error_code, failed_relations;
    error_code is null at a GitLab), export (state, null where it is not visible to you). With --job these
    are instead: job (as GET /api/crossdock/v1/jobs/:id tells it), failed_relations (null without --failures).
    """
    from services.cli import imports, job_operations

    async def work(client: GitLabClient) -> Result:
        if (project is None) == (job is None):
            raise UsageError("name a project, or a job by --job")
        if job is not None:
            return await job_operations.job_status(client, job, all_failures=failures)
        return await imports.status(client, project or "", all_failures=failures)

    with_client(work, url=url, token=token, json=json)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An archive.", show_default=False)],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where single lines would.")] = False,
    json: Json = False,
) -> None:
    """Check an archive as an import would, without a server.

    Its limits are those of the environment, as for a server (CROSSDOCK_MAX_...). The exit code is 1 where an
    import would fail; where it would leave lines out, these are listed, 1000 at most.

    Keys with --json: file, bytes, sha256, error, error_code, entries, relations (by name: bytes, lines,
    failed), blobs (name, bytes; 1000 at most), blob_count, blob_bytes, failed_relations (1000 at most),
    failure_count.
    """
    from services.cli.configuration import settings
    from services.cli.output import run
    from services.cli.verification import verify as read
    from shared.settings.archive_limits import archive_limits

    async def result() -> Result:
        return await read(file, limits=archive_limits(settings()), strict=strict)

    run(result(), json=json)


@app.command()
def push(  # noqa: PLR0913  # the options of a command
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An unpacked archive.", show_default=False)],
    project: ProjectArgument,
    *,
    from_current: Annotated[
        bool, typer.Option("--from-current", help="Send only what differs from what the project has.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the project gets other content meanwhile.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Not where lines would be left out.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Files to send at a time.")] = 4,
    token: Token = "",
    url: Url = URL,
    json: Json = False,
) -> None:
    """Bring an unpacked archive into a project that is there, in place of what it has.

    Keys with --json: snapshot (id, state, entries, bytes; null where nothing was committed), error,
    error_code, failure_count, failed_relations (100 at most).
    """
    from services.cli import push as pushing
    from services.cli.output import run
    from services.cli.snapshots import connect

    options = pushing.PushOptions(from_current=from_current, force=force, strict=strict, parallel=parallel)

    async def work() -> Result:
        async with connect(url, check_token(token), project) as client:
            return await pushing.push(client, folder, options)

    run(work(), json=json)


def check_token(token: str) -> str:
    """Give the token, without the blanks and newlines around it. Raises UsageError where it can be none."""
    token = token.strip()
    if not token:
        raise UsageError("no token: set CROSSDOCK_TOKEN or give --token")
    if not token.isprintable():
        raise UsageError("the token has control characters in it, which no token has")
    return token


def with_client(
    work: Callable[[GitLabClient], Awaitable[Result]], *, url: str, token: str, json: bool
) -> None:
    """Run ``work`` with a client of the server, and print its result."""
    from services.cli.client import connect
    from services.cli.output import run

    async def result() -> Result:
        async with connect(url, check_token(token)) as client:
            return await work(client)

    run(result(), json=json)
