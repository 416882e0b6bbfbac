"""Which server a command talks to: the options that name it, and what they come to."""

# ruff: noqa: PLC0415  # what reads profiles is imported when a command runs: --help stays quick

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from services.cli.errors import UsageError
from services.cli.retries import ATTEMPTS, Retries
from services.cli.retries import retries as configured

if TYPE_CHECKING:
    from services.cli.profiles import Profile

DEFAULT_URL = "http://localhost:8080"

_Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="CROSSDOCK_URL",
        help=f"URL of a Crossdock or a GitLab, {DEFAULT_URL} by default.",
        show_default=False,
    ),
]
_Token: TypeAlias = Annotated[
    str, typer.Option(envvar="CROSSDOCK_TOKEN", help="Access token with the scope api.", show_default=False)
]
_TokenCommand: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="CROSSDOCK_TOKEN_COMMAND", help="A command that prints the token.", show_default=False
    ),
]
_ProfileName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--profile", envvar="CROSSDOCK_PROFILE", help="A server by the name that login gave it.",
        show_default=False,
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a server, and where its token comes from: a command may have to run for it."""

    url: str
    find_token: Callable[[], str] = field(repr=False)

    def required_token(self) -> str:
        """Return the token. Raises UsageError if there is none, or if it cannot be a token."""
        token = self.find_token()
        if not token:
            raise UsageError("no token: run crossdock login, set CROSSDOCK_TOKEN or give --token")
        if not token.isprintable():
            raise UsageError("the token has control characters in it, which no token has")
        return token


def find_server(
    url: str | None = None, token: str = "", token_command: str | None = None, profile: str | None = None
) -> Server:
    """Return the server that the options name. Raises UsageError.

    A profile's token is for its own address alone, and the environment's is not sent to a profile. The
    default profile holds where neither an address nor a token is given.
    """
    from services.cli.profiles import read_profiles

    if profile is not None:
        if url is not None:
            raise UsageError(
                f"the URL {url!r} and the profile {profile!r} are both given, by options or by CROSSDOCK_URL "
                "and CROSSDOCK_PROFILE: give one"
            )
        return _server_of(read_profiles().find(profile))
    given = _given_token(token.strip(), token_command)
    if url is None and given is None:
        profiles = read_profiles()
        if profiles.default is not None:
            return _server_of(profiles.find(profiles.default))
    return Server(url or DEFAULT_URL, given or str)


def _is_option(variable: str, value: str | None) -> bool:
    """Tell whether a value is that of an option, and not of the variable that stands for it."""
    return value is not None and value != os.environ.get(variable)


def _server_of(profile: Profile) -> Server:
    return Server(profile.url, profile.find_token)


def _given_token(token: str, command: str | None) -> Callable[[], str] | None:
    """Return what finds the token: of the option, of the command, or of CROSSDOCK_TOKEN_FILE."""
    from services.cli.profiles import read_token_file, run_token_command

    if token:
        return lambda: token
    if command is not None:
        return partial(run_token_command, command)
    path = os.environ.get("CROSSDOCK_TOKEN_FILE")
    return partial(read_token_file, Path(path), "CROSSDOCK_TOKEN_FILE") if path else None


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a server, in place of its parameter ``server``."""

    @wraps(command)
    def run(
        *args: Any,  # noqa: ANN401  # the command's own
        url: str | None,
        token: str,
        token_command: str | None,
        profile: str | None,
        retries: int,
        **options: Any,  # noqa: ANN401  # the command's own
    ) -> None:
        configured.set(retries)
        if _is_option("CROSSDOCK_PROFILE", profile) and not _is_option("CROSSDOCK_URL", url):
            url = None  # what stands in the command goes before what the shell has
        command(*args, server=find_server(url, token, token_command, profile), **options)

    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "server"]
    named = [_option("token", _Token, ""), _option("token_command", _TokenCommand),
             _option("url", _Url), _option("profile", _ProfileName),
             _option("retries", Retries, ATTEMPTS - 1)]  # fmt: skip
    parameters = [*own, *named]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
    return run


def _option(name: str, kind: object, default: object = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
