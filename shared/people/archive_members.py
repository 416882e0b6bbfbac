"""Reads who the members of an archive are, for those that are users here as well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypedDict

import msgspec

from shared.people.decoding import is_built
from shared.people.people_map import LONGEST

LEVELS = (50, 40, 30, 20, 15, 10)
"""The access levels of members."""


class _User(TypedDict, total=False):
    username: str | None
    public_email: str | None
    email: str | None


class _Member(TypedDict, total=False):
    access_level: int | None
    expires_at: str | None
    requested_at: str | None
    user: _User | None


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A member, by user name or public e-mail, with the access level there; until a day, if there is one."""

    username: str
    public_email: str
    level: int
    expires_at: date | None


_decoder = msgspec.json.Decoder(_Member)


def read_member(line: bytes) -> ArchiveMember | None:
    """Read a line of ``project_members``; None for an invitation, and for a request for access."""
    if not is_built(line):
        return None
    try:
        found = _decoder.decode(line)
        user = found.get("user")
        expires_at = found.get("expires_at")
        until = date.fromisoformat(expires_at[:10]) if expires_at else None
    except (msgspec.DecodeError, RecursionError, OverflowError, ValueError):
        return None
    level = next((each for each in LEVELS if each <= (found.get("access_level") or 0)), None)
    if user is None or level is None or found.get("requested_at"):
        return None
    username, email = user.get("username") or "", user.get("public_email") or user.get("email") or ""
    if len(username) > LONGEST or len(email) > LONGEST or "\0" in username + email or not username + email:
        return None
    return ArchiveMember(username, email, level, until)
