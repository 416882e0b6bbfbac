"""The members of an export with a map: by them a GitLab finds who the authors of records are.

GitLab's import looks for the public e-mail of a member among its own users, and gives the person all records
of the member's id. Whoever is mapped has to be a member for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from shared.gitlab.record_json import escaped, record_line
from shared.gitlab.records import MemberRecord, MemberUserRecord
from shared.people.decoding import is_built
from shared.people.people_map import Person

_GUEST = 10
"""The access level of who is a member for the sake of the records alone."""

_Members = dict[str, Raw]
_NOTHING = Raw(b"null")


@dataclass(frozen=True, slots=True)
class MappedPerson:
    """Who an account is, with what the records tell of it."""

    person: Person
    username: str | None
    public_email: str | None


class MemberMapper:
    """Rewrites the lines of ``project_members``; ``mapped`` are the people of the project by their ids."""

    def __init__(self, mapped: Mapping[int, MappedPerson]) -> None:
        self._mapped = mapped
        self._missing = set(mapped)

    def rewrite(self, line: bytes) -> bytes:
        """Give a line with who the member is; one of somebody else as it is."""
        if not is_built(line):
            return line
        try:
            member = msgspec.json.decode(line, type=_Members)
            user = msgspec.json.decode(member.get("user", _NOTHING), type=_Members | None)
            number = msgspec.json.decode((user or {}).get("id", _NOTHING), type=int | None)
        except (msgspec.DecodeError, RecursionError, OverflowError):
            return line
        found = None if number is None else self._mapped.get(number)
        if user is None or number is None or found is None:
            return line
        self._missing.discard(number)
        member["user"] = _user(user, number, found)
        return msgspec.json.encode(member) + (b"\n" if line.endswith(b"\n") else b"")

    def rest(self, moment: str) -> Iterator[bytes]:
        """Give the lines of those who are mapped and were in no line, as guests since ``moment``."""
        for number in sorted(self._missing):
            found = self._mapped[number]
            yield record_line(
                MemberRecord(
                    access_level=_GUEST, user_id=number, created_at=moment, updated_at=moment,
                    user=MemberUserRecord(
                        id=number, public_email=_email(found),
                        username=found.person.username or found.username or "",
                    ),
                )
            )  # fmt: skip


def _user(user: _Members, number: int, found: MappedPerson) -> Raw:
    """Give the user of a member. Archives of old versions have the e-mail by another name."""
    kept = {name: value for name, value in user.items() if name not in ("id", "email")}
    username = found.person.username or found.username
    values: dict[str, object] = {"username": username} if username else {}
    rewritten = kept | {name: Raw(escaped(value)) for name, value in values.items()}
    return Raw(msgspec.json.encode({"id": number, **rewritten, "public_email": Raw(escaped(_email(found)))}))


def _email(found: MappedPerson) -> str | None:
    """Give the e-mail in lower case: by another spelling GitLab finds nobody."""
    return (found.person.public_email or found.public_email or "").lower() or None
