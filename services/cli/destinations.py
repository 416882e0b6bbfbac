"""Operations on destinations: buckets, GitLabs and Crossdocks that the server knows, with their keys."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from services.cli.archive_source import STDIN
from services.cli.client import GitLabClient
from services.cli.crossdock_api import JobAnswer, JobClient
from services.cli.errors import UsageError
from services.cli.job_operations import follow
from services.cli.json_api import JsonApi
from services.cli.profiles import read_token_file
from services.cli.results import JobResult
from services.cli.terminal import print_result, print_table

_KEYS = {"access_key_id": "AWS_ACCESS_KEY_ID", "secret_access_key": "AWS_SECRET_ACCESS_KEY"}
_LONGEST_FILE = 64 * 1024
_TOKEN = "CROSSDOCK_DESTINATION_TOKEN"  # noqa: S105  # a variable's name


class DestinationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A destination; what its kind does not have is None."""

    id: int
    name: str
    kind: str
    url: str | None = None
    namespace: str | None = None
    overwrite: bool | None = None
    bucket: str | None = None
    endpoint: str | None = None
    prefix: str | None = None

    @property
    def place(self) -> str:
        """Where it is, in a word."""
        if self.kind == "s3":
            return f"s3://{self.bucket}/{self.prefix or ''}"
        return f"{self.url}{f' ({self.namespace})' if self.namespace else ''}"


class DestinationList(msgspec.Struct, frozen=True):
    """``crossdock destinations list``."""

    destinations: Sequence[DestinationAnswer]

    def show(self) -> None:
        """See Result."""
        rows = [(each.id, each.name, each.kind, each.place) for each in self.destinations]
        print_table("Destinations", ("id", "name", "kind", "place"), rows)


class DestinationResult(msgspec.Struct, frozen=True):
    """``crossdock destinations create-...`` and ``delete``."""

    destination: DestinationAnswer

    def show(self) -> None:
        """See Result."""
        each = self.destination
        print_result(f"{each.name} (id {each.id}): {each.kind} at {each.place}")


class _Identity(msgspec.Struct, frozen=True, kw_only=True):
    version: str | None = None
    username: str | None = None
    token: str | None = None
    scopes: Sequence[str] | None = None
    expires_at: str | None = None


class DestinationTest(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock destinations test``; of a bucket all is null but its name."""

    destination: str
    version: str | None = None
    username: str | None = None
    token: str | None = None
    scopes: Sequence[str] | None = None
    expires_at: str | None = None

    def show(self) -> None:
        """See Result."""
        if self.username is None:
            print_result(f"{self.destination} works")
            return
        until = f", until {self.expires_at}" if self.expires_at else ""
        scopes = f" with {', '.join(self.scopes)}" if self.scopes else ""
        print_result(f"{self.destination} works: the token is that of {self.username}{scopes}{until}")


class DestinationClient:
    """Calls the destinations of the server of ``gitlab``.

    Every method raises RefusedByServer, ServerUnreachable and UnintelligibleAnswer.
    """

    def __init__(self, gitlab: GitLabClient) -> None:
        base = gitlab.api.removesuffix("/api/v4") + "/api/crossdock/v1"
        self._gitlab = gitlab
        self._json_api = JsonApi(gitlab.session, f"{base}/destinations")

    async def list(self) -> DestinationList:
        """Return all destinations of the user."""
        return DestinationList([each async for each in self._json_api.items("", DestinationAnswer)])

    async def create(self, fields: Mapping[str, object]) -> DestinationResult:
        """Create a destination."""
        given = {name: value for name, value in fields.items() if value is not None}
        answer = await self._json_api.call_once("POST", "", DestinationAnswer, json=given)
        return DestinationResult(answer.body)

    async def test(self, name: str) -> DestinationTest:
        """Try a destination."""
        found = await self.find(name)
        answer = await self._json_api.call("POST", f"/{found.id}/test", msgspec.Raw)
        told = msgspec.json.decode(answer.body, type=_Identity | None) or _Identity()
        return DestinationTest(destination=found.name, **msgspec.structs.asdict(told))

    async def delete(self, name: str) -> DestinationResult:
        """Delete a destination. What was sent there stays."""
        found = await self.find(name)
        await self._json_api.call("DELETE", f"/{found.id}", type(None))
        return DestinationResult(found)

    async def move(
        self, verb: str, name: str, fields: Mapping[str, object], *, within: timedelta | None
    ) -> JobResult:
        """Import a project from a destination, or export one to it; wait at most ``within``, if given."""
        found = await self.find(name)
        given = {key: value for key, value in fields.items() if value is not None}
        answer = await self._json_api.call_once("POST", f"/{found.id}/{verb}", JobAnswer, json=given)
        job = answer.body
        if within is None:
            return JobResult(job=job)
        return JobResult(job=await follow(JobClient(self._gitlab), job, within))

    async def find(self, name: str) -> DestinationAnswer:
        """Find a destination by its id or its name. Raises UsageError."""
        async for each in self._json_api.items("", DestinationAnswer):
            if name in {str(each.id), each.name}:
                return each
        raise UsageError(f"there is no destination {name!r}: crossdock destinations list shows them")


def read_token(file: Path | None) -> str:
    """Return the token for a peer, of a file or of the environment. Raises UsageError."""
    if file is not None:
        return read_token_file(file, "--token-of")
    token = os.environ.get(_TOKEN, "").strip()
    if not token:
        raise UsageError(f"no token for the destination: give --token-of FILE, or set {_TOKEN}")
    return token


def read_keys(file: Path | None) -> dict[str, str]:
    """Return keys for a bucket, of a file as AWS' tools have it, or of the environment. Raises UsageError.

    No option takes them: everybody on the machine could read it.
    """
    given = os.environ if file is None else _read_profile(file)
    keys = {name: given.get(variable) or "" for name, variable in _KEYS.items()}
    if not all(keys.values()):
        raise UsageError(
            f"no keys for the bucket: give --credentials FILE, or set {' and '.join(_KEYS.values())}"
        )
    return keys


def _read_profile(file: Path) -> dict[str, str]:
    """Read the first profile of a file; ``-`` is stdin. Names are as those of the environment."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        if file == STDIN:
            text = sys.stdin.read(_LONGEST_FILE)
        else:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(_LONGEST_FILE)
        parser.read_string(text if text.lstrip().startswith("[") else f"[default]\n{text}")
    except (OSError, UnicodeDecodeError, configparser.Error):
        raise UsageError(f"cannot read the keys of {file}: it has aws_access_key_id = ...") from None
    first = next(iter(parser.sections()), None)
    return {} if first is None else {name.upper(): value for name, value in parser[first].items()}
