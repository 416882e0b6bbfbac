"""What list queries share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One page of a list, and the length of the whole list."""

    items: list[T]
    total: int


def contains(text: str | None) -> str | None:
    """Make an ILIKE pattern that matches ``text`` anywhere, taken literally."""
    if not text:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
