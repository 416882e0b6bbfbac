"""The command ``crossdock``.

Exit codes: 0 success, 1 a job failed, 2 wrong usage, or a file that cannot be read or written, 3 the server
refused, 4 the server cannot be reached.

With ``--json`` a command prints one document on stdout. The help of the command names its keys. After an
error the document has the state that is known, the message as ``error`` and its code as ``error_code``.
"""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help and --version stay quick

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from services.cli import (
    admin_commands,
    destination_commands,
    job_commands,
    profile_commands,
    project_commands,
    schedule_commands,
)
from services.cli.errors import CommandError, UsageError
from services.cli.fleet import commands as fleet_commands
from services.cli.help import GroupedHelp
from services.cli.options import Json
from shared.errors import CrossdockError, Fault

app = typer.Typer(
    cls=GroupedHelp,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:  # noqa: FBT001  # typer calls it with the option
    if asked:
        from importlib.metadata import version as installed

        typer.echo(f"crossdock {installed('crossdock')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Move whole software projects in and out as GitLab-compatible archives.

    Exit codes: 0 success, 1 a job failed, 2 wrong usage or a file that cannot be read or written, 3 the
    server refused, 4 the server cannot be reached.
    """


app.add_typer(project_commands.app)
app.add_typer(fleet_commands.app)
app.add_typer(job_commands.app)
app.add_typer(profile_commands.app)
app.add_typer(destination_commands.app, name="destinations")
app.add_typer(schedule_commands.app, name="schedules")
app.add_typer(admin_commands.app, name="admin")
app.add_typer(admin_commands.dead_letters, name="dead-letters")


@app.command()
def standalone(
    port: Annotated[int | None, typer.Option(help="TCP port, 8080 by default.")] = None,
    data: Annotated[Path, typer.Option(help="Folder for database and files.")] = Path("crossdock-data"),
    host: Annotated[str | None, typer.Option(help="Address to listen on, 127.0.0.1 by default.")] = None,
) -> None:
    """Run everything in one process: embedded Postgres, in-process broker, files.

    Settings come from the environment, as those of the services do (CROSSDOCK_PORT, ...); options override
    them.
    """
    from services.cli.configuration import settings
    from services.process.start import run
    from services.standalone.wiring import serve
    from shared.logs import configure

    chosen = settings(host=host, port=port)
    configure(chosen.log_format, chosen.log_level)
    run(serve(chosen, data=data.absolute()))


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
    to: Annotated[
        int | None, typer.Option(min=0, help="Number of the last migration to keep; 0 removes all.")
    ] = None,
    *,
    log: Annotated[
        bool, typer.Option("--log", help="Write JSON logs as services do, and print nothing.")
    ] = False,
) -> None:
    """Migrate the database of CROSSDOCK_DATABASE_URL to the newest schema."""
    from services.cli.configuration import settings
    from services.cli.terminal import print_result
    from services.cli.wiring import log_migration, migrate_database
    from services.process.start import run, start

    if log:
        start(partial(log_migration, to=to))
        return
    report = run(migrate_database(settings(), to))
    done = [*map(str, report.steps), *(["functions"] if report.functions else [])]
    print_result(f"migrated: {', '.join(done)}" if done else "nothing to migrate")


@app.command()
def demo(
    archive: Annotated[
        Path | None, typer.Option(help="An archive to use instead of a generated one.")
    ] = None,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the standalone running, and print where it is.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only write an archive to try things with.")
    ] = None,
    mib: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="With --write: the MiB of its LFS objects, instead of 3."),
    ] = None,
) -> None:
    """Import an archive into a temporary standalone, export it, and compare both archives."""
    from services.cli.demo.round_trip import run, write_sample
    from services.cli.errors import UsageError

    if write is None and mib is not None:
        raise UsageError("--mib is for --write")
    if write is not None:
        write_sample(write, mib=mib)
    else:
        asyncio.run(run(archive, keep=keep))


@app.command()
def version(*, json: Json = False) -> None:
    """Print the version.

    Keys with --json: version.
    """
    from importlib.metadata import version as installed

    from services.cli.output import run
    from services.cli.results import VersionResult

    async def result() -> VersionResult:
        return VersionResult(installed("crossdock"))

    run(result(), json=json)


def main() -> None:
    """Run a command. An error ends it with one line on stderr and an exit code."""
    _end_by_signal()
    logging.getLogger().addHandler(logging.NullHandler())  # a service sets up its own instead
    try:
        app(prog_name="crossdock")
    except CommandError as error:
        _fail(error, error.exit_code)
    except CrossdockError as error:
        _fail(error, UsageError.exit_code if error.fault is Fault.CLIENT else CommandError.exit_code)
    except BrokenPipeError:
        # The reader of stdout has gone. Without this, Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CommandError.exit_code)
    except OSError as error:  # of a file: what goes wrong with servers has errors of its own
        _fail(error, UsageError.exit_code)


def _end_by_signal() -> None:
    """Make SIGTERM end the process: the first process of a container ignores signals without a handler."""
    if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _fail(error: Exception, code: int) -> None:
    from services.cli.terminal import say

    say(f"crossdock: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
