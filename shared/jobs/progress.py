"""How far a job is: counted where the work is done, written with the heartbeat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class RelationProgress:
    """Lines kept and lines refused of one relation so far."""

    lines: int = 0
    failed: int = 0


@dataclass(slots=True)
class Progress:
    """Bytes of the archive (``bytes_total`` is 0 where nobody knows), entries, and lines per relation."""

    bytes_done: int = 0
    bytes_total: int = 0
    entries: int = 0
    relations: dict[str, RelationProgress] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds of each phase that is over; its names are the code's, so that there are few."""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block, also one that fails; a name that comes again adds up."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - began

    def report(self) -> dict[str, object]:
        """Give the counts as they stand, for the job's row."""
        return {
            "bytes_done": self.bytes_done,
            "bytes_total": self.bytes_total,
            "entries": self.entries,
            "relations": {
                name: {"lines": count.lines, "failed": count.failed} for name, count in self.relations.items()
            },
        }
