"""How far a job is: counted where the work is done, written with the heartbeat."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

_MOST_RELATIONS = 200
_RELATION = re.compile(r"\w{1,100}", re.ASCII)


class Phase(Enum):
    """What a worker is at, in the order in which it comes to it."""

    PREPARING = "preparing"  # opens what it reads
    READING = "reading"  # takes an archive apart and stores what is in it
    WRITING = "writing"  # stores what is left, or writes an archive
    COMMITTING = "committing"  # makes the result visible
    UPLOADING = "uploading"  # sends the archive elsewhere


@dataclass(slots=True)
class RelationProgress:
    """Bytes of one relation so far, and how many of its lines were kept and refused."""

    bytes: int = 0
    lines: int = 0
    failed: int = 0


@dataclass(slots=True)
class PhaseProgress:
    """When a phase began and ended, by a clock of its process alone, and the bytes of the archive in it."""

    phase: Phase
    began: float
    bytes_before: int
    ended: float | None = None
    bytes_after: int = 0

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return (monotonic() if self.ended is None else self.ended) - self.began


@dataclass(slots=True)
class Progress:
    """Bytes of the archive, entries, relations and phases.

    ``bytes_total`` is 0 where nobody knows, and an estimate while an archive is written.
    """

    bytes_done: int = 0
    bytes_total: int = 0
    entries: int = 0
    relations: dict[str, RelationProgress] = field(default_factory=dict)
    phases: list[PhaseProgress] = field(default_factory=list)

    def relation(self, name: str) -> RelationProgress:
        """Give the counts of a relation: of the first 200 with plain names of up to 100 characters.

        Other names are no relation's of GitLab's; a report, which events carry, must not have any length.
        """
        if len(self.relations) >= _MOST_RELATIONS or not _RELATION.fullmatch(name):
            return RelationProgress()
        return self.relations.setdefault(name, RelationProgress())

    def begin(self, phase: Phase) -> None:
        """Note that the phase begins, and the one before it ends."""
        now = monotonic()
        if self.phases:
            self.phases[-1].ended, self.phases[-1].bytes_after = now, self.bytes_done
        self.phases.append(PhaseProgress(phase, now, self.bytes_done))

    def report(self) -> dict[str, object]:
        """Give the counts as they stand, for the job's row."""
        return {
            "bytes_done": self.bytes_done,
            "bytes_total": self.bytes_total,
            "entries": self.entries,
            "relations": {
                name: {"bytes": count.bytes, "lines": count.lines, "failed": count.failed}
                for name, count in self.relations.items()
            },
            "phases": [self._phase(each) for each in self.phases],
        }

    def _phase(self, each: PhaseProgress) -> dict[str, object]:
        after = self.bytes_done if each.ended is None else each.bytes_after
        return {
            "name": each.phase.value,
            "seconds": round(each.seconds, 3),
            "bytes": after - each.bytes_before,
        }
