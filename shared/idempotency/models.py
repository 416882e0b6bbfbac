"""What is kept of a request that has a key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request as its key names it: of one user, for one method and path."""

    user_id: int
    key: str
    method: str
    path: str

    @property
    def digest(self) -> bytes:
        """What it is kept under, as keys and paths may be long."""
        parts = (str(self.user_id), self.method, self.path, self.key)
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The right to answer a request; who lost it to another writes nothing."""

    digest: bytes
    holder: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What was answered. ``body`` is None where it was not kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What came before with the same key; without an ``answer`` it is still at work.

    ``content`` is the digest of what was uploaded, None where nothing was.
    """

    fingerprint: bytes
    content: bytes | None
    answer: KeptAnswer | None
