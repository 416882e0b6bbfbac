"""Results of ``crossdock admin`` and ``crossdock dead-letters``; see ``results.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import msgspec

from services.cli.formats import counted
from services.cli.terminal import print_result, print_table, say
from shared.audit.findings import Finding

_SHOWN = 200
"""The number of characters of a dead letter in a table."""


class UserResult(msgspec.Struct, frozen=True, kw_only=True):
    """``create-user``, and one user of ``list-users``."""

    id: int
    username: str
    name: str
    is_admin: bool

    def show(self) -> None:
        """See Result."""
        print_result(f"user {self.username} (id {self.id})")


class UserList(msgspec.Struct, frozen=True):
    """``list-users``."""

    users: Sequence[UserResult]

    def show(self) -> None:
        """See Result."""
        rows = [(each.id, each.username, each.name, "yes" if each.is_admin else "no") for each in self.users]
        print_table("Users", ("id", "username", "name", "administrator"), rows)


class TokenResult(msgspec.Struct, frozen=True, kw_only=True):
    """``create-token``: the token cannot be shown again."""

    token: str
    username: str
    name: str
    scopes: Sequence[str]
    expires_at: datetime | None

    def show(self) -> None:
        """See Result."""
        say("The token is shown this once:")
        print_result(self.token)


class GroupResult(msgspec.Struct, frozen=True, kw_only=True):
    """``create-group``."""

    id: int
    full_path: str
    name: str

    def show(self) -> None:
        """See Result."""
        print_result(f"group {self.full_path} (id {self.id})")


class MemberResult(msgspec.Struct, frozen=True, kw_only=True):
    """``add-member``."""

    group: str
    username: str
    role: str

    def show(self) -> None:
        """See Result."""
        print_result(f"{self.username} is {self.role} of {self.group}")


class RotationResult(msgspec.Struct, frozen=True, kw_only=True):
    """``rotate-secrets``: keys are named by the first bytes of their SHA-256, in hexadecimal."""

    renewed: int
    unreadable: Mapping[str, int]
    unused_keys: Sequence[str]

    def show(self) -> None:
        """See Result."""
        print_result(f"{counted(self.renewed, 'secret')} sealed with the first key")
        for key_id in self.unused_keys:
            print_result(f"the key {key_id} seals nothing any more and can be removed")
        for key_id, count in self.unreadable.items():
            those = counted(count, "secret does", "secrets do")
            print_result(f"{those} not open without the key {key_id}: what it sealed has to be given anew")


class FindingResult(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of ``check``."""

    kind: str
    object: str | None
    snapshot: int | None
    entry: str | None
    reason: str
    repaired: bool

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Make the result of a finding."""
        return cls(
            kind=finding.kind.value,
            object=finding.key or None,
            snapshot=finding.snapshot_id,
            entry=finding.name or None,
            reason=finding.reason,
            repaired=finding.repaired,
        )


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """``check``: the first 1000 ``findings``, and how many there are of each kind."""

    error: str | None = None
    error_code: str | None = None
    objects: int
    read: int
    bytes: int
    counts: Mapping[str, int]
    findings: Sequence[FindingResult]

    def show(self) -> None:
        """See Result."""
        size = counted(self.bytes, "byte")
        print_result(f"{counted(self.objects, 'object')} checked, {self.read} of them read ({size})")


class DeadLetterResult(msgspec.Struct, frozen=True, kw_only=True):
    """A message that could not be processed; bytes that are not text are replaced."""

    id: str
    reason: str
    body: str


class DeadLetterList(msgspec.Struct, frozen=True, kw_only=True):
    """``dead-letters list``."""

    queue: str
    dead_letters: Sequence[DeadLetterResult]

    def show(self) -> None:
        """See Result."""
        rows = [(each.id, each.reason, each.body[:_SHOWN]) for each in self.dead_letters]
        print_table(f"Dead letters of {self.queue}", ("id", "reason", "body"), rows)


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """``dead-letters replay``: the number of messages that are back in their queue."""

    queue: str
    replayed: int

    def show(self) -> None:
        """See Result."""
        print_result(f"{counted(self.replayed, 'message')} back in {self.queue}")
