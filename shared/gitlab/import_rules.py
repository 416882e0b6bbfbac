"""What GitLab's models require of records and of what is nested in them, and what an import does without it.

Sources: the models of GitLab 18.9, as far as they validate during an import, and its relation factory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType

import msgspec
from msgspec import Raw

from shared.gitlab.iids import Iids, IidsScattered
from shared.gitlab.relations import REQUIRED


class Effect(Enum):
    """What an import of GitLab's does with what is found."""

    FAILS_IMPORT = "fails_import"  # it ends, and what came before stays
    DROPS_RECORD = "drops_record"  # the record is left out, and a failed relation
    DROPS_NESTED = "drops_nested"  # the record comes without this part
    RENUMBERS = "renumbers"  # one of two records gets another number
    IGNORES = "ignores"  # the attribute is not read
    DIFFERS = "differs"  # GitLab writes it otherwise; what comes of it depends


_OF_ACCESS = ("access_level",)
_OF_PULL_REQUESTS = (
    "source_branch", "target_branch", "source_sha", "target_sha", "source_repository", "target_repository",
    "status",
)  # fmt: skip

REQUIRED_IN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **REQUIRED,
        "approvals": ("user_id",),
        "award_emoji": ("name",),
        "commit_notes": ("commit_id",),
        "create_access_levels": _OF_ACCESS,
        "design": ("filename",),
        "designs": ("filename",),
        "events": ("author_id",),
        "external_pull_request": _OF_PULL_REQUESTS,
        "external_pull_requests": _OF_PULL_REQUESTS,
        "label": ("title",),
        "links": ("name", "url"),
        "merge_access_levels": _OF_ACCESS,
        "milestone": ("title",),
        "project_members": _OF_ACCESS,
        "push_access_levels": _OF_ACCESS,
        "sentry_issue": ("sentry_issue_identifier",),
        "snippets": ("title", "content"),
        "timelogs": ("time_spent",),
        "zoom_meetings": ("url",),
    }
)
"""Attributes that may not be missing, null or blank, by the kind of a record or of what is nested in one."""

MEMBER_LEVELS = frozenset({5, 10, 15, 20, 25, 30, 40, 50})
"""Access levels of a member."""

NUMBERED: Mapping[str, Effect] = MappingProxyType(
    {
        "issues": Effect.DROPS_RECORD,
        "merge_requests": Effect.DROPS_RECORD,
        "milestones": Effect.RENUMBERS,
        "ci_pipelines": Effect.DROPS_RECORD,
    }
)
"""Relations whose records have an ``iid`` of their own, and what an import does with the second of one."""

_MEMBERS = "project_members"
_BLANK = "can't be blank"
_NULL = Raw(b"null")
_LONG_TEXT = 64 * 1024
_QUOTE = ord('"')


def broken_rules(kind: str, members: Mapping[str, Raw]) -> Iterator[tuple[str, str]]:
    """Give the attributes of a record, or of what is nested in one, that an import refuses, and why.

    Templates of GitLab's own hold objects emptied of their attributes: of these it makes nothing.
    """
    if not members:
        return
    for name in REQUIRED_IN.get(kind, ()):
        if _is_blank(members.get(name)):
            yield name, _BLANK
    if kind == "lists" and members.get("list_type") in (Raw(b'"label"'), Raw(b"1")):
        yield from ((name, _BLANK) for name in ("label", "position") if _is_blank(members.get(name)))
    if (
        kind == "suggestions"
        and members.get("applied") == Raw(b"true")
        and _is_blank(members.get("commit_id"))
    ):
        yield "commit_id", _BLANK
    if kind == _MEMBERS:
        yield from _member(members)


def _member(members: Mapping[str, Raw]) -> Iterator[tuple[str, str]]:
    level = members.get("access_level")
    if not _is_blank(level) and level is not None and _number(level) not in MEMBER_LEVELS:
        yield "access_level", "is no access level of a member"
    if _is_blank(members.get("user")) and _is_blank(members.get("invite_email")):
        yield "user", "is missing, and so is invite_email"


def _is_blank(value: Raw | None) -> bool:
    if value is None or value == _NULL:
        return True
    is_short_text = memoryview(value)[0] == _QUOTE and len(value) <= _LONG_TEXT
    return is_short_text and not msgspec.json.decode(value, type=str).strip()


def _number(value: Raw) -> int | None:
    try:
        return msgspec.json.decode(value, type=int)
    except msgspec.MsgspecError:
        return None


class _User(msgspec.Struct):
    id: Raw = _NULL


class _Record(msgspec.Struct):
    iid: Raw = _NULL
    user: Raw = _NULL


_RECORD, _USER = msgspec.json.Decoder(_Record), msgspec.json.Decoder(_User)


def iid_of_line(line: bytes) -> int | None:
    """Give the number of a record; None where it has none, or is no record."""
    try:
        return _number(_RECORD.decode(line).iid)
    except (msgspec.MsgspecError, RecursionError):
        return None


class DuplicateNumbers:
    """Finds records of one relation whose number was there before: the iid, of members the id of the user.

    Memory: 16 MiB at most, as in ``Iids``. Numbers that are too far apart for that are not compared.
    """

    def __init__(self, relation: str) -> None:
        self._field = "user.id" if relation == _MEMBERS else "iid"
        self._effect = NUMBERED.get(relation, Effect.DROPS_RECORD)
        self._known = Iids() if relation in NUMBERED or relation == _MEMBERS else None
        self.is_partial = False

    def find(self, line: bytes) -> tuple[str, str, Effect] | None:
        """Give field, message and effect where the number was there before."""
        number = None if self._known is None else self._number(line)
        if self._known is None or number is None or not 0 <= number < 2**63:
            return None
        try:
            is_new = self._known.add(number)
        except IidsScattered:
            self.is_partial = True
            return None
        return None if is_new else (self._field, f"{number} was there before", self._effect)

    def _number(self, line: bytes) -> int | None:
        if self._field == "iid":
            return iid_of_line(line)
        try:
            return _number(_USER.decode(_RECORD.decode(line).user).id)
        except (msgspec.MsgspecError, RecursionError):
            return None
