"""Keyed requests, the right to answer them, and kept answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request that its key identifies, for one user, method and path."""

    user_id: int
    key: str
    method: str
    path: str

    @property
    def digest(self) -> bytes:
        """The key of its row; keys and paths themselves may be long."""
        parts = (str(self.user_id), self.method, self.path, self.key)
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHold:
    """The right to answer a request; a holder that has lost it writes nothing."""

    digest: bytes
    holder: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """An answer that was given. ``body`` is None where it was not kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRequest:
    """An earlier request with the same key; without an ``answer`` it is still running.

    ``content`` is the digest of what was uploaded, None where nothing was.
    """

    fingerprint: bytes
    content: bytes | None
    answer: KeptAnswer | None
