"""Lists who appears in a project, and sets maps of who that is elsewhere: Crossdock's own API."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from services.cli.archive_source import STDIN
from services.cli.client import GitLabClient
from services.cli.errors import UsageError
from services.cli.formats import counted
from services.cli.http import exchange
from services.cli.json_api import JsonApi
from services.cli.terminal import print_result, print_table, say
from shared.people.reading import LARGEST

_LISTED = 1000
"""People of whom a table has lines."""


class PersonAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the GitLab that exports are for."""

    username: str | None
    public_email: str | None


class SourceUserAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whom the records of a project name."""

    id: int
    username: str | None
    name: str | None
    public_email: str | None
    records: Mapping[str, int]
    mapped_to: PersonAnswer | None


class PeopleResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock people``: counts are null where nobody was counted, ``rows`` without a map."""

    rows: int | None = None
    mapped: int | None = None
    without_email: int | None = None
    unmapped: int | None = None
    unused_rows: int | None = None
    users: Sequence[SourceUserAnswer] = ()

    def show(self) -> None:
        """See Result."""
        if self.users:
            rows = [_row(each) for each in self.users[:_LISTED]]
            print_table("People", ("id", "username", "name", "records", "mapped to", "public e-mail"), rows)
        if len(self.users) > _LISTED:
            say(f"and {len(self.users) - _LISTED} more")
        if self.rows is not None:
            counts = "" if self.mapped is None else f", {_people(self.mapped)} mapped, {self.unmapped} not"
            unused = counted(self.unused_rows or 0, "row names", "rows name")
            rest = f", {unused} nobody" if self.unused_rows else ""
            print_result(f"{counted(self.rows, 'row')} in the map{counts}{rest}")
        if self.without_email:
            those = counted(self.without_email, "person is", "people are")
            say(f"{those} mapped without an e-mail: a GitLab does not find them")


def _people(number: int) -> str:
    return counted(number, "person", "people")


def _row(user: SourceUserAnswer) -> tuple[object, ...]:
    person = user.mapped_to or PersonAnswer(username=None, public_email=None)
    records = ", ".join(f"{count} {kind}" for kind, count in user.records.items())
    return (
        user.id,
        user.username or "-",
        user.name or "-",
        records,
        person.username or "-",
        person.public_email or "-",
    )


def read_map(file: Path) -> str:
    """Return the text of a map, ``-`` for that of stdin. Raises UsageError."""
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(LARGEST + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the map of people: {error}") from None
    if len(data) > LARGEST:
        raise UsageError(f"the map of people has over {LARGEST} bytes")
    return text


class PeopleClient:
    """Calls the people of a project, or of a namespace.

    Every method raises RefusedByServer, ServerUnreachable and UnintelligibleAnswer.
    """

    def __init__(self, gitlab: GitLabClient, reference: str, *, of_namespace: bool) -> None:
        kind = "namespaces" if of_namespace else "projects"
        base = gitlab.api.removesuffix("/api/v4") + "/api/crossdock/v1"
        self._session = gitlab.session
        self._json_api = JsonApi(gitlab.session, f"{base}/{kind}/{quote(reference.strip('/'), safe='')}")

    async def list(self) -> PeopleResult:
        """Return who appears in the project: at most 100,000."""
        return PeopleResult(users=[each async for each in self._json_api.items("/users", SourceUserAnswer)])

    async def write_csv(self, *, of_map: bool) -> None:
        """Write who appears in the project to stdout, as a map to be filled in, or a namespace's map."""
        path = "/people" if of_map else "/users"
        url = f"{self._json_api.url}{path}?format=csv"
        async with exchange(self._session, "GET", url) as response:
            async for chunk in response.content.iter_any():
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()

    async def set_map(self, text: str, *, dry_run: bool) -> PeopleResult:
        """Set the map, or tell what it would do."""
        body = {"people": text, "dry_run": dry_run}
        answer = await self._json_api.call("PUT", "/people", PeopleResult, json=body)
        return answer.body

    async def delete_map(self) -> PeopleResult:
        """Delete the map."""
        await self._json_api.call("DELETE", "/people", type(None))
        return PeopleResult()
