"""Who appears in the records of a project, and in how many of each kind.

The id of an account is all that a record has of most people: names come from members and authors of notes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Optional, TypedDict

import msgspec

from shared.errors import Unprocessable
from shared.people.decoding import is_built
from shared.people.people_map import LONGEST

MOST = 100_000
"""People of a project who are counted; some 500 bytes each."""

REFERENCES = (
    "assignee_id",
    "author_id",
    "closed_by_id",
    "created_by_id",
    "last_edited_by_id",
    "latest_closed_by_id",
    "merge_user_id",
    "merged_by_id",
    "owner_id",
    "resolved_by_id",
    "updated_by_id",
    "user_id",
)
"""Attributes of records that name an account."""

NESTED = (
    "approval_project_rules_users",
    "approvals",
    "award_emoji",
    "bridges",
    "builds",
    "create_access_levels",
    "deploy_access_levels",
    "design_versions",
    "designs",
    "events",
    "generic_commit_statuses",
    "issue_assignees",
    "lists",
    "merge_access_levels",
    "merge_request_assignees",
    "merge_request_reviewers",
    "metrics",
    "notes",
    "push_access_levels",
    "resource_iteration_events",
    "resource_label_events",
    "resource_milestone_events",
    "resource_state_events",
    "stages",
    "statuses",
    "timelogs",
    "unprotect_access_levels",
    "work_item_description",
)
"""What is nested in records and names accounts, or has within itself what does."""

_LARGEST_ID = 2**63 - 1
# In valid JSON a quote within a text has a backslash before it: what matches is the name of a member.
_ID = re.compile(rb'(?<!\\)"(?:%s)"\s*:\s*(\d{1,19})(?![\d.eE])' % "|".join(REFERENCES).encode())


class TooManyPeople(Unprocessable):
    """The records of the project name more people than are counted."""

    code = "too_many_people"

    def __init__(self) -> None:
        super().__init__(f"the records of the project name over {MOST} people")


@dataclass(slots=True)
class Appearance:
    """A person, with what records tell; ``records`` counts those that name the person, by kind.

    A kind is the name of a relation, or of what is nested in its records.
    """

    username: str | None = None
    name: str | None = None
    public_email: str | None = None
    records: dict[str, int] = field(default_factory=dict)


class _Account(TypedDict, total=False):
    id: int | None
    username: str | None
    public_email: str | None
    email: str | None
    name: str | None


class _Author(TypedDict, total=False):
    name: str | None


# A TypedDict, as that has only what is there: of a record with a hundred members there are mostly three.
_Node: Any = TypedDict(
    "_Node",
    {
        **dict.fromkeys(REFERENCES, int | None),  # type: ignore[misc]  # of names that mypy cannot see
        **dict.fromkeys(NESTED, Optional["list[_Node] | _Node"]),
        "author": _Author | None,
        "user": _Account | None,
    },
    total=False,
)


class Appearances:
    """Counts who appears in lines. Memory: 50 MiB for the most people, and 60 MiB for a line."""

    def __init__(self) -> None:
        self.people: dict[int, Appearance] = {}
        self._decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(_Node)

    def read(self, line: bytes, relation: str) -> None:
        """Count a record of a relation; one of too many parts is searched for ids. Raises TooManyPeople."""
        if not is_built(line):
            self._search(line, relation)
            return
        try:
            node = self._decoder.decode(line)
        except (msgspec.DecodeError, RecursionError, OverflowError):
            self._search(line, relation)  # what is of another type than GitLab writes hides no other
            return
        self._count(node, relation)

    def _search(self, line: bytes, relation: str) -> None:
        for number in {int(found[1]) for found in _ID.finditer(line)}:
            self._add(number, relation)

    def _count(self, record: dict[str, Any], relation: str) -> None:
        # One loop, as a call for each object would take as long as decoding them.
        waiting = [(relation, record)]
        for kind, node in waiting:
            seen: tuple[int, ...] = ()
            for name, value in node.items():
                if type(value) is int:
                    if value not in seen:
                        seen = (*seen, value)
                        self._add(value, kind)
                elif type(value) is list:
                    waiting += [(name, each) for each in value]
                elif name == "author":
                    self._take_author(node)
                elif name == "user":
                    self._take_account(value or {})
                elif value is not None:
                    waiting.append((name, value))

    def _add(self, number: int, kind: str) -> None:
        person = self.people.get(number) or self._person(number)
        if person is not None:
            person.records[kind] = person.records.get(kind, 0) + 1

    def _person(self, number: int) -> Appearance | None:
        """Give the person with that id; None where no account has such an id."""
        if not 0 < number <= _LARGEST_ID:
            return None
        found = self.people.get(number)
        if found is None:
            if len(self.people) == MOST:
                raise TooManyPeople
            found = self.people[number] = Appearance()
        return found

    def _take_account(self, account: dict[str, Any]) -> None:
        person = self._person(account.get("id") or 0)
        if person is not None:
            person.username = _short(account.get("username")) or person.username
            person.name = _short(account.get("name")) or person.name
            email = account.get("public_email") or account.get("email")
            person.public_email = _short(email) or person.public_email

    def _take_author(self, node: dict[str, Any]) -> None:
        person = self._person(node.get("author_id") or 0)
        if person is not None and person.name is None and node["author"]:
            person.name = _short(node["author"].get("name"))


def _short(text: str | None) -> str | None:
    """Cut a text to what a column of GitLab's holds, without what Postgres does not store."""
    return (text or "").replace("\0", "").strip()[:LONGEST] or None
