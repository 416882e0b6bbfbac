"""Profiles: servers by name, each with its address and where its token comes from, in one file of the user.

The file is ``$CROSSDOCK_CONFIG``, else ``crossdock/config.toml`` below ``$XDG_CONFIG_HOME`` (``~/.config``):

    default = "vault"

    [profiles.vault]
    url = "https://vault.example.com"
    token_command = "pass show vault"

A profile has one of ``token``, ``token_file`` and ``token_command``. Who may read the file may use the tokens
in it, so it is written for its owner alone, and refused where others may read a token in it.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import msgspec

from services.cli.errors import FileUnwritable, UsageError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_LONGEST_TOKEN = 64 * 1024
"""Bytes that are read of a token's file, or of what a command prints."""

_COMMAND_SECONDS = 300
"""How long a command may take to print a token: it may ask a person first."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A server. At most one of the sources of its token is given."""

    url: str
    token: str | None = None
    token_file: str | None = None
    token_command: str | None = None

    def find_token(self) -> str:
        """Return the token, an empty one where the profile names no source. Raises UsageError."""
        if self.token_command is not None:
            return run_token_command(self.token_command)
        if self.token_file is not None:
            return read_token_file(Path(self.token_file).expanduser(), "token_file")
        return self.token or ""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    default: str | None = None
    profiles: dict[str, Profile] = {}


@dataclass(frozen=True, slots=True)
class Profiles:
    """What the file says; nothing where there is none."""

    path: Path
    default: str | None = None
    by_name: Mapping[str, Profile] = field(default_factory=dict)

    def find(self, name: str) -> Profile:
        """Return the profile ``name``. Raises UsageError, which names those that there are."""
        found = self.by_name.get(name)
        if found is None:
            known = f"; there are {', '.join(sorted(self.by_name))}" if self.by_name else ""
            raise UsageError(f"there is no profile {name!r} in {self.path}{known}")
        return found


def config_path() -> Path:
    """Return where the file of the profiles is."""
    if given := os.environ.get("CROSSDOCK_CONFIG"):
        return Path(given)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "crossdock" / "config.toml"


def read_profiles() -> Profiles:
    """Read the file of the profiles. Raises UsageError where it cannot be used."""
    path = config_path()
    try:
        document = _decode(path.read_text(encoding="utf-8"), path)
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Profiles(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and any(each.token for each in document.profiles.values()):
        raise UsageError(f"others may read the tokens in {path}: chmod 600 it")
    return Profiles(path, document.default, document.profiles)


def _decode(text: str, path: Path) -> _Document:
    try:
        document = msgspec.convert(tomllib.loads(text), _Document)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path} is no file of profiles: {error}") from None
    for name, profile in document.profiles.items():
        check_profile(name)
        sources = (profile.token, profile.token_file, profile.token_command)
        if sum(each is not None for each in sources) > 1:
            raise UsageError(f"profile {name!r} in {path} has more than one source of its token")
    if document.default is not None and document.default not in document.profiles:
        raise UsageError(f"the default of {path} is no profile of it: {document.default!r}")
    return document


def check_profile(name: str) -> None:
    """Raise UsageError where ``name`` cannot be that of a profile: SRC:PROJECT has to be told apart."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a profile: 64 letters, digits, '_', '-' and '.' at most")


def write_profile(name: str, profile: Profile, *, default: bool) -> Path:
    """Write a profile, for its owner alone; ``default`` makes it that of commands which name none.

    The first profile is the default one. What else is in the file stays as it is. Raises UsageError.
    """
    check_profile(name)
    known = read_profiles()
    document = _document(known.path)
    profiles = document.setdefault("profiles", {})
    profiles[name] = msgspec.to_builtins(profile)
    if default or not known.by_name:
        document["default"] = name
    _replace(known.path, document)
    return known.path


def remove_profile(name: str) -> Path:
    """Remove a profile. Raises UsageError where there is none of that name."""
    known = read_profiles()
    known.find(name)
    document = _document(known.path)
    del document["profiles"][name]
    if known.default == name:
        del document["default"]
    _replace(known.path, document)
    return known.path


def _document(path: Path) -> TOMLDocument:
    import tomlkit  # noqa: PLC0415  # only what writes the file needs it

    with suppress(FileNotFoundError):
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    return tomlkit.document()


def _replace(path: Path, document: TOMLDocument) -> None:
    """Replace the file at once, so that whoever reads it at the same time reads a whole one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:  # of mode 0600
            file.write(document.as_string())
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
    except OSError as error:
        raise FileUnwritable(path, error) from None


def read_token_file(path: Path, named: str) -> str:
    """Return the token in a file, which ``named`` names in messages. Raises UsageError."""
    try:
        with path.open() as file:
            token = file.read(_LONGEST_TOKEN).strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the file of {named}: {error}") from None
    if not token:
        raise UsageError(f"the file of {named} has no token")
    return token


def run_token_command(command: str) -> str:
    """Return the first line that a command prints. It runs without a shell. Raises UsageError."""
    try:
        words = shlex.split(command)
        done = subprocess.run(  # noqa: S603  # the user's own command
            words, stdout=subprocess.PIPE, stderr=sys.stderr.fileno(), check=False, timeout=_COMMAND_SECONDS
        )
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"cannot run the token command {command!r}: {error}") from None
    if done.returncode:
        raise UsageError(f"the token command {command!r} ended with code {done.returncode}")
    token = done.stdout[:_LONGEST_TOKEN].decode(errors="replace").partition("\n")[0].strip()
    if not token:
        raise UsageError(f"the token command {command!r} printed no token")
    return token
