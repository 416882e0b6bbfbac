"""Connections that are counted together: all of them, or those of one peer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Generic, TypeVar

from services.listener.phase import Phase

T = TypeVar("T")


class Crowd(Generic[T]):
    """Connections by their phase; of each phase, the one that began it first comes first."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[Phase, OrderedDict[T, None]] = {phase: OrderedDict() for phase in Phase}

    def __len__(self) -> int:
        return sum(map(len, self._members.values()))

    def add(self, member: T, phase: Phase) -> None:
        """Add a connection that begins a phase now."""
        self._members[phase][member] = None

    def remove(self, member: T, phase: Phase) -> None:
        """Remove a connection from the phase in which it is."""
        del self._members[phase][member]

    def members(self, phase: Phase) -> Collection[T]:
        """Return the connections in a phase; not a copy."""
        return self._members[phase].keys()

    def find_oldest(self, phase: Phase) -> T | None:
        """Return the connection that has been in a phase for the longest time; None if none is in it."""
        return next(iter(self._members[phase]), None)
