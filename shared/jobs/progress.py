"""The progress of a job: the work counts it, and the heartbeat writes it to the row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

_MOST_RELATIONS = 200
_RELATION = re.compile(r"\w{1,100}", re.ASCII)


class Phase(Enum):
    """The phases of an attempt, in their order."""

    PREPARING = "preparing"  # opens what it reads
    FETCHING = "fetching"  # gets and keeps what is read afterwards
    READING = "reading"  # takes an archive apart and stores what is in it
    WRITING = "writing"  # stores what is left, or writes an archive
    COMMITTING = "committing"  # makes the result visible
    UPLOADING = "uploading"  # sends the archive elsewhere


class Note(Enum):
    """What an import went on after, though somebody may want to know of it."""

    MACOS_FILES = "macos_files"  # files that macOS had added, and that were skipped
    REPEATED_NAMES = "repeated_names"  # files that gave way to a later one of the same name
    LONG_NAMES = "long_names"  # names with a component that no file system of Linux takes: over 255 bytes


@dataclass(slots=True)
class RelationProgress:
    """The bytes of one relation so far, and the numbers of its lines that were kept and refused."""

    bytes: int = 0
    lines: int = 0
    failed: int = 0


@dataclass(slots=True)
class LeftOut:
    """The files of a relation that were left out by choice, and their bytes."""

    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class SelectionProgress:
    """What a selection of relations leaves out, by relation, and who of the others refers to that.

    ``missed`` has pairs: a relation that is there, and one that it refers to. ``excluded`` are all known ones
    that are not taken, whether anything of them has come or not; no report has them.
    """

    left_out: dict[str, LeftOut] = field(default_factory=dict)
    missed: Sequence[tuple[str, str]] = ()
    excluded: Collection[str] = ()

    def of(self, relation: str) -> LeftOut:
        """Give the counts of a relation: of as many as ``Progress.relation`` gives any of."""
        if len(self.left_out) >= _MOST_RELATIONS or not _RELATION.fullmatch(relation):
            return LeftOut()
        return self.left_out.setdefault(relation, LeftOut())

    def report(self) -> dict[str, object]:
        """Give the counts for the job's row."""
        return {
            "left_out": {
                name: {"files": count.files, "bytes": count.bytes} for name, count in self.left_out.items()
            },
            "missed": [{"relation": relation, "refers_to": needed} for relation, needed in self.missed],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PartProgress:
    """How many files of a part an archive announces, and how many came.

    Of those that are announced ``missing`` did not come; of those that came ``unannounced`` are named by
    nothing. With ``is_partial`` there may be more of both, as there were too many names to look for.
    """

    announced: int = 0
    came: int = 0
    missing: int = 0
    unannounced: int = 0
    is_partial: bool = False

    def report(self) -> dict[str, object]:
        """Give the counts for the job's row."""
        return {
            "announced": self.announced,
            "came": self.came,
            "missing": self.missing,
            "unannounced": self.unannounced,
            "partial": self.is_partial,
        }


@dataclass(slots=True)
class PhaseProgress:
    """When a phase began and ended, by the monotonic clock of the process, and the archive's bytes in it."""

    phase: Phase
    began: float
    bytes_before: int
    ended: float | None = None
    bytes_after: int = 0

    @property
    def seconds(self) -> float:
        """How long the phase took, or has taken so far."""
        return (monotonic() if self.ended is None else self.ended) - self.began


@dataclass(slots=True)
class Progress:
    """The archive's bytes, the entries, relations, notes and phases of an attempt.

    ``bytes_total`` is 0 where it is unknown. ``planned_bytes`` are those of ``bytes_done`` that nobody has
    moved, as they are of a plan. ``other_bytes`` are those of none of these counts, such as of records that
    were there before; no report has them. ``stats`` are what GitLab counts of an import from GitHub, None of
    others, and ``requests_left`` what is left of the limit of its requests, None where none is known.
    ``selection`` is what was left out by choice, None where all is taken. ``contents`` compares what an
    archive announces with what came, by part, once all has come; None before.
    """

    other_bytes: int = 0
    planned_bytes: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    entries: int = 0
    relations: dict[str, RelationProgress] = field(default_factory=dict)
    notes: Counter[Note] = field(default_factory=Counter)
    phases: list[PhaseProgress] = field(default_factory=list)
    stats: Mapping[str, Mapping[str, int]] | None = None
    requests_left: int | None = None
    selection: SelectionProgress | None = None
    contents: Mapping[str, PartProgress] | None = None

    def relation(self, name: str) -> RelationProgress:
        """Give the counts of a relation: of the first 200 with plain names of up to 100 characters.

        No relation of GitLab's has another name, and the length of a report, which events carry, must be
        bounded. The counts of others are not reported.
        """
        if len(self.relations) >= _MOST_RELATIONS or not _RELATION.fullmatch(name):
            return RelationProgress()
        return self.relations.setdefault(name, RelationProgress())

    def withdraw_relation(self, name: str) -> None:
        """Forget the counts of a relation, of which another file follows. ``steps`` goes on growing."""
        gone = self.relations.pop(name, RelationProgress())
        self.other_bytes += gone.bytes + gone.lines + gone.failed + 1

    @property
    def steps(self) -> int:
        """A number that changes whenever the attempt gets on, by however little."""
        lines = sum(each.bytes + each.lines + each.failed for each in self.relations.values())
        return self.bytes_done + self.other_bytes + self.entries + lines + len(self.phases)

    def begin(self, phase: Phase) -> None:
        """Begin a phase, which ends the one before."""
        now = monotonic()
        if self.phases:
            self.phases[-1].ended, self.phases[-1].bytes_after = now, self.bytes_done
        self.phases.append(PhaseProgress(phase, now, self.bytes_done))

    def report(self) -> dict[str, object]:
        """Give the counts for the job's row."""
        own: dict[str, object] = {}
        if self.stats is not None:
            own |= {"stats": self.stats, "requests_left": self.requests_left}
        if self.selection is not None:
            own["selection"] = self.selection.report()
        if self.contents is not None:
            own["contents"] = {name: each.report() for name, each in self.contents.items()}
        return own | {
            "bytes_done": self.bytes_done,
            "bytes_total": self.bytes_total,
            "entries": self.entries,
            "relations": {
                name: {"bytes": count.bytes, "lines": count.lines, "failed": count.failed}
                for name, count in self.relations.items()
            },
            "notes": {note.value: count for note, count in self.notes.items()},
            "phases": [self._phase(each) for each in self.phases],
        }

    def _phase(self, each: PhaseProgress) -> dict[str, object]:
        after = self.bytes_done if each.ended is None else each.bytes_after
        return {
            "name": each.phase.value,
            "seconds": round(each.seconds, 3),
            "bytes": after - each.bytes_before,
        }
