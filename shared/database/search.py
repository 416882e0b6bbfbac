"""What list queries have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One page of a list, and how long the whole list is."""

    items: list[T]
    total: int


def contains(text: str | None) -> str | None:
    """Give the pattern for ILIKE that finds ``text`` anywhere, taken literally."""
    if not text:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
