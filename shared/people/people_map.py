"""The map of people: who an account of another server is at the GitLab that an archive is for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

MOST_ROWS = 10_000
"""Rows of a map."""

LONGEST = 255
"""Characters of a value, as in GitLab."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a map, whose values may be empty: an account, and who that is.

    The names of the members are those of the columns of GitLab's files in lower case.
    """

    source_host: str = ""
    import_type: str = ""
    source_user_identifier: str = ""
    source_user_name: str = ""
    source_username: str = ""
    gitlab_username: str = ""
    gitlab_public_email: str = ""

    @property
    def origin(self) -> tuple[str, str]:
        """Where the account is: identifiers are those of one host, as one importer knows it."""
        return self.source_host, self.import_type

    @property
    def is_mapped(self) -> bool:
        """Whether the row says who the account is; GitLab passes over a row that does not."""
        return bool(self.gitlab_username or self.gitlab_public_email)


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the GitLab that an archive is for, by user name or public e-mail (one may be empty)."""

    username: str
    public_email: str


@dataclass(frozen=True)
class PeopleMap:
    """Who people are, found by their id, their user name or their public e-mail; nobody where rows differ.

    The id decides: by its user name an account is found only in rows without an id. User names and e-mails
    are compared without case. Memory: some 2 KiB for each of at most 10,000 rows.
    """

    rows: Sequence[Row] = field(default_factory=tuple)

    def find(
        self,
        *,
        id: int | str | None = None,  # noqa: A002  # what it is in every record
        username: str | None = None,
        public_email: str | None = None,
        import_type: str | None = None,
    ) -> Person | None:
        """Give the person of an account; None for nobody.

        With ``import_type`` rows of that type count, and those without one.
        """
        found = self.rows_of(id, username, public_email, import_type)
        persons = {Person(row.gitlab_username, row.gitlab_public_email) for row in found}
        return persons.pop() if len(persons) == 1 else None

    def rows_of(
        self,
        id: int | str | None,  # noqa: A002  # the same
        username: str | None,
        public_email: str | None,
        import_type: str | None = None,
    ) -> Sequence[Row]:
        """Give the rows of an account: none, one, or several that only their origins tell apart."""
        found = self._by_id.get(str(id), ()) if id is not None else ()
        found = _of_type(found, import_type)
        if not found and username:
            found = _of_type(self._by_username.get(username.lower(), ()), import_type)
        if not found and public_email:
            found = self._by_email.get(public_email.lower(), ())
        return found

    @property
    def digest(self) -> bytes:
        """Give the SHA-256 of the map: another one changes what is exported."""
        return hashlib.sha256(msgspec.json.encode(self.rows)).digest()

    @cached_property
    def _by_id(self) -> dict[str, tuple[Row, ...]]:
        return _indexed(self.rows, lambda row: row.source_user_identifier)

    @cached_property
    def _by_username(self) -> dict[str, tuple[Row, ...]]:
        return _indexed(
            self.rows, lambda row: "" if row.source_user_identifier else row.source_username.lower()
        )

    @cached_property
    def _by_email(self) -> dict[str, tuple[Row, ...]]:
        return _indexed(self.rows, lambda row: row.gitlab_public_email.lower())


def _of_type(rows: tuple[Row, ...], import_type: str | None) -> tuple[Row, ...]:
    if import_type is None:
        return rows
    return tuple(row for row in rows if row.import_type in ("", import_type))


def _indexed(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, tuple[Row, ...]]:
    index: dict[str, list[Row]] = {}
    for row in rows:
        if value := key(row):
            index.setdefault(value, []).append(row)
    return {value: tuple(found) for value, found in index.items()}


def duplicates(numbered: Iterable[tuple[int, Row]]) -> Iterator[tuple[int, str, int]]:
    """Give the rows whose value an earlier row of the same origin has: number, member, number of that.

    GitLab takes one row for an account, and one account for a user.
    """
    seen: dict[tuple[tuple[str, str], str, str], int] = {}
    for number, row in numbered:
        account = "source_user_identifier" if row.source_user_identifier else "source_username"
        for member in (account, "gitlab_username", "gitlab_public_email"):
            value = getattr(row, member).lower()
            first = seen.setdefault((row.origin, member, value), number) if value else number
            if first != number:
                yield number, member, first
