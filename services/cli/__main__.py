"""The command ``crossdock``.

Exit codes: 0 success, 1 a job failed, 2 wrong usage, 3 the server refused, 4 the server cannot be reached.
"""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help and --version stay quick

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from services.cli import admin_commands
from services.cli.errors import CommandError, UsageError
from services.cli.options import DAY, URL, Seconds, Token, Url
from shared.errors import CrossdockError, Fault

app = typer.Typer(
    help="Move whole software projects in and out as GitLab-compatible archives.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(admin_commands.app, name="admin")
app.add_typer(admin_commands.dead_letters, name="dead-letters")


@app.command()
def standalone(
    port: Annotated[int | None, typer.Option(help="TCP port, 8080 if nothing else is set.")] = None,
    data: Annotated[Path, typer.Option(help="Folder for database and files.")] = Path("crossdock-data"),
    host: Annotated[str | None, typer.Option(help="Address to listen on, 127.0.0.1 if unset.")] = None,
) -> None:
    """Run everything in one process: embedded Postgres, in-process broker, files."""
    from services.cli.configuration import settings
    from services.standalone.wiring import serve
    from shared.logs import configure

    chosen = settings(host=host, port=port)
    configure(chosen.log_format, chosen.log_level)
    asyncio.run(serve(chosen, data=data.absolute()))


@app.command()
def api() -> None:
    """Run the HTTP API (distributed form)."""
    from services.api.__main__ import main as run

    run()


@app.command()
def exporter() -> None:
    """Run a worker that exports (distributed form)."""
    from services.exporter.__main__ import main as run

    run()


@app.command()
def importer() -> None:
    """Run a worker that imports (distributed form)."""
    from services.importer.__main__ import main as run

    run()


@app.command()
def migrate(
    to: Annotated[int | None, typer.Option(min=0, help="Migration to go to; 0 empties the schema.")] = None,
) -> None:
    """Bring the database of CROSSDOCK_DATABASE_URL to the newest schema."""
    from services.cli.configuration import settings
    from services.cli.terminal import result
    from services.cli.wiring import migrate_database

    steps = asyncio.run(migrate_database(settings(), to))
    result(f"migrated: {', '.join(map(str, steps))}" if steps else "nothing to migrate")


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
) -> None:
    """Upload an archive as a new project."""
    from services.cli import transfers
    from services.cli.client import Upload, connect

    to = Upload.to(path, name=name, overwrite=overwrite, overrides=transfers.overrides(override or ()))

    async def run() -> None:
        async with connect(url, _given(token)) as client:
            status = await transfers.upload(client, file, to)
            if wait:
                status = await transfers.follow_import(client, status, within=timedelta(seconds=timeout))
            transfers.announce(status)

    asyncio.run(run())


@app.command()
def export(
    project: Annotated[str, typer.Argument(help="Its id, or group/name.", show_default=False)],
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write, - for stdout.", show_default=False)
    ],
    token: Token = "",
    url: Url = URL,
    description: Annotated[str | None, typer.Option(help="Replaces the project's in the archive.")] = None,
    timeout: Seconds = DAY,
) -> None:
    """Export a project and download its archive."""
    from services.cli import transfers
    from services.cli.client import connect
    from services.cli.terminal import say

    async def run() -> None:
        async with connect(url, _given(token)) as client:
            await transfers.export(
                client, project, description=description, within=timedelta(seconds=timeout)
            )
            digest = await transfers.download(client, project, None if output == "-" else Path(output))
        say(f"sha256 {digest}")

    asyncio.run(run())


@app.command()
def push(  # the options of a command
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An unpacked archive.", show_default=False)],
    project: Annotated[str, typer.Argument(help="Its id, or group/name.", show_default=False)],
    *,
    token: Token = "",
    url: Url = URL,
    from_current: Annotated[
        bool, typer.Option("--from-current", help="Send only what differs from what the project has.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the project gets other content meanwhile.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Not where lines would be left out.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Files to send at a time.")] = 4,
) -> None:
    """Bring an unpacked archive into a project that is there, in place of what it has."""
    from services.cli import push as pushing
    from services.cli.snapshots import connect

    how = pushing.How(from_current=from_current, force=force, strict=strict, parallel=parallel)

    async def run() -> None:
        async with connect(url, _given(token), project) as client:
            await pushing.push(client, folder, how)

    asyncio.run(run())


@app.command()
def status(
    project: Annotated[str, typer.Argument(help="Its id, or group/name.", show_default=False)],
    token: Token = "",
    url: Url = URL,
) -> None:
    """Show the state of a project's import and export."""
    from services.cli import transfers
    from services.cli.client import connect

    async def run() -> None:
        async with connect(url, _given(token)) as client:
            await transfers.show_status(client, project)

    asyncio.run(run())


@app.command()
def demo(
    archive: Annotated[Path | None, typer.Option(help="An archive to use instead of a made one.")] = None,
) -> None:
    """Import and export an archive with a standalone of its own, and compare what comes out."""
    from services.cli.demo.round_trip import run

    asyncio.run(run(archive))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    from services.cli.terminal import result

    result(f"crossdock {installed('crossdock')}")


def _given(token: str) -> str:
    if not token:
        raise UsageError("no token: set CROSSDOCK_TOKEN or give --token")
    return token


def main() -> None:
    """Run a command; an error is one line on stderr, and an exit code."""
    logging.getLogger().addHandler(logging.NullHandler())  # a service sets up its own instead
    try:
        app()
    except CommandError as error:
        _fail(error, error.exit_code)
    except CrossdockError as error:
        _fail(error, UsageError.exit_code if error.fault is Fault.CLIENT else CommandError.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CommandError.exit_code)
    except OSError as error:
        _fail(error, CommandError.exit_code)


def _fail(error: Exception, code: int) -> None:
    from services.cli.terminal import say

    say(f"crossdock: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
