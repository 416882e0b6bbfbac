"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FindingKind(Enum):
    """What is not as the index says; the values are stable words."""

    OBJECT_MISSING = "object_missing"
    OBJECT_SIZE = "object_size"
    OBJECT_CHECKSUMS = "object_checksums"
    OBJECT_BLOCK = "object_block"
    OBJECT_DIGEST = "object_digest"
    OBJECT_UNREADABLE = "object_unreadable"
    OBJECT_UNSTORED = "object_unstored"
    OBJECT_DAMAGED = "object_damaged"
    OBJECT_UNDAMAGED = "object_undamaged"
    BLOB_DIGEST = "blob_digest"
    ORPHAN = "orphan"
    RANGE = "range"
    ENTRY = "entry"
    SEGMENTS = "segments"
    BODY = "body"
    CONTENT_DIGEST = "content_digest"


DAMAGE = frozenset(
    {
        FindingKind.OBJECT_MISSING,
        FindingKind.OBJECT_SIZE,
        FindingKind.OBJECT_BLOCK,
        FindingKind.OBJECT_DIGEST,
    }
)
"""What says that the bytes of an object are not those that were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be: of an object, of a snapshot, or of an entry of both.

    ``repaired`` tells whether something was done about it.
    """

    kind: FindingKind
    reason: str
    key: str = ""
    snapshot_id: int | None = None
    name: str = ""
    repaired: bool = False

    def __str__(self) -> str:
        """Return it as one line: kind, what it is about, and the reason."""
        snapshot = "" if self.snapshot_id is None else f"snapshot {self.snapshot_id}"
        subject = " ".join(filter(None, (self.key, snapshot, self.name)))
        return f"{self.kind.value}: {subject}: {self.reason}{' (repaired)' if self.repaired else ''}"
