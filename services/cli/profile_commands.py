"""Commands on profiles: the servers that a user has named."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from services.cli.options import Json

app = typer.Typer(rich_markup_mode=None)

_Name: TypeAlias = Annotated[str, typer.Argument(metavar="PROFILE", help="Its name.", show_default=False)]


@app.command()
def login(
    name: _Name,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="URL of a Crossdock or a GitLab.", show_default=False)
    ],
    *,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the token from here each time.")
    ] = None,
    token_command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Run this for the token each time.")
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Use it where a command names no server.")
    ] = False,
    json: Json = False,
) -> None:
    """Keep a server, and where its token comes from, under a name.

    Without a file or a command the token is asked for, or is read from standard input, and is kept in the
    configuration, which only you may read. It is tried first. The first profile is the default one.

    Keys with --json: profile, url, user, file (the configuration).
    """
    from services.cli import login as login_
    from services.cli.output import run
    from services.cli.profiles import Profile

    async def result() -> login_.LoginResult:
        file = None if token_file is None else str(token_file.expanduser().absolute())
        given = file is not None or token_command is not None
        token = None if given else login_.ask_token(url)
        profile = Profile(url, token=token, token_file=file, token_command=token_command)
        return await login_.log_in(name, profile, default=default)

    run(result(), json=json)


@app.command()
def logout(name: _Name) -> None:
    """Forget a profile. Its token stays valid at the server: revoke it there."""
    from services.cli.profiles import remove_profile
    from services.cli.terminal import print_result

    print_result(f"removed {name} from {remove_profile(name)}")


@app.command()
def profiles(*, json: Json = False) -> None:
    """List the profiles.

    Keys with --json: file, profiles (name, url, default, and token: from where; never the token).
    """
    from services.cli.login import list_profiles
    from services.cli.output import run

    run(list_profiles(), json=json)
