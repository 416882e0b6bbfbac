"""Tries a server with a token, and keeps both as a profile."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from getpass import getpass

import msgspec

from services.cli.client import connect
from services.cli.errors import UsageError
from services.cli.json_api import JsonApi
from services.cli.profiles import Profile, check_profile, read_profiles, write_profile
from services.cli.server import Server
from services.cli.terminal import print_result, print_table

_LONGEST_TOKEN = 64 * 1024


class LoginResult(msgspec.Struct, frozen=True):
    """What ``login`` prints."""

    profile: str
    url: str
    user: str
    file: str

    def show(self) -> None:
        """Print it for people."""
        print_result(f"{self.profile}: {self.user} at {self.url}, kept in {self.file}")


class ProfileRow(msgspec.Struct, frozen=True):
    """A profile, without its token."""

    name: str
    url: str
    default: bool
    token: str | None


class ProfilesResult(msgspec.Struct, frozen=True):
    """What ``profiles`` prints."""

    file: str
    profiles: Sequence[ProfileRow]

    def show(self) -> None:
        """Print it for people."""
        rows = [
            (each.name, each.url, each.token or "none", "default" if each.default else "")
            for each in self.profiles
        ]
        print_table(f"Profiles in {self.file}", ("name", "url", "token", ""), rows)


class _User(msgspec.Struct, frozen=True):
    username: str


def ask_token(url: str) -> str:
    """Return the token that a person types, or the first line of standard input. Raises UsageError."""
    if sys.stdin.isatty():
        token = getpass(f"Token for {url}: ").strip()
    else:
        token = sys.stdin.readline(_LONGEST_TOKEN).strip()
    if not token:
        raise UsageError("no token was given: type it, pipe it in, or name --token-file or --token-command")
    return token


async def log_in(name: str, profile: Profile, *, default: bool) -> LoginResult:
    """Try the profile, and keep it where the server takes its token.

    Raises UsageError, RefusedByServer and ServerUnreachable; nothing is kept then.
    """
    check_profile(name)
    server = Server(profile.url, profile.find_token)
    async with connect(server.url, server.required_token()) as client:
        user = (await JsonApi(client.session, client.api).call("GET", "/user", _User)).body
    path = write_profile(name, profile, default=default)
    return LoginResult(name, profile.url, user.username, str(path))


async def list_profiles() -> ProfilesResult:
    """List the profiles. Raises UsageError."""
    known = read_profiles()
    rows = [
        ProfileRow(name, each.url, name == known.default, _source(each))
        for name, each in sorted(known.by_name.items())
    ]
    return ProfilesResult(str(known.path), rows)


def _source(profile: Profile) -> str | None:
    """Say from where the token comes."""
    if profile.token_command is not None:
        return f"command {profile.token_command}"
    if profile.token_file is not None:
        return f"file {profile.token_file}"
    return None if profile.token is None else "kept"
