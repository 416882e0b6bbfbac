"""Holds each line of an archive against what GitLab writes and takes, while the archive is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from services.cli.results import MOST_LISTED, ShapeFaultResult, ShapeReport
from shared.archive.events import (
    ArchiveEvent,
    EntryData,
    EntryEnded,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.archive.limits import Limits
from shared.gitlab.import_rules import DuplicateNumbers, Effect, iid_of_line
from shared.gitlab.json_document import DOCUMENT_LIMIT
from shared.gitlab.layout import PROJECT, relation_of
from shared.gitlab.lines import BlankLines, Line, LineSplitter, OverlongLine
from shared.gitlab.record_shapes import ShapeFault, is_known, project_faults, shape_faults

_BLANK = "is blank, which ends an import of GitLab's"
_MOST_OF_A_LINE = 1000
"""Faults of one line that are looked for: a line may have one for each of its bytes."""


class ShapeInspection:
    """Takes the events of one archive.

    It holds one line, what 1000 faults say, and 16 MiB for the numbers of one relation. Relations that GitLab
    does not know are passed over, as its import does.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._faults: list[tuple[str, ShapeFaultResult]] = []
        self._counts: Counter[str] = Counter()
        self._name: str | None = None
        self._lines = LineSplitter(limits.line)
        self._document = bytearray()
        self._number = 0
        self._numbers = DuplicateNumbers("")
        self._partial: set[str] = set()

    def take(self, event: ArchiveEvent) -> None:
        """Take the next event."""
        match event:
            case EntryStarted(kind=TarEntryKind.FILE):
                self._start(event.name)
            case EntryData(data) if self._name is not None:
                self._receive(self._name, data)
            case EntryEnded() if self._name is not None:
                self._end(self._name)
                self._name = None
            case EntryWithdrawn(name):
                self._counts.pop(name, None)
                self._faults = [each for each in self._faults if each[0] != name]

    def _start(self, name: str) -> None:
        relation = relation_of(name)
        self._name = name if name == PROJECT or (relation and is_known(relation)) else None
        self._lines, self._document, self._number = LineSplitter(self._limits.line), bytearray(), 0
        self._numbers = DuplicateNumbers(relation or "")

    def _receive(self, name: str, data: bytes) -> None:
        if name != PROJECT:
            self._take_lines(name, self._lines.feed(data))
        elif len(self._document) <= DOCUMENT_LIMIT:
            self._document += data

    def _end(self, name: str) -> None:
        if name == PROJECT:
            self._keep(name, None, project_faults(bytes(self._document), depth=self._limits.depth))
        else:
            self._take_lines(name, self._lines.close())
            if self._numbers.is_partial:
                self._partial.add(relation_of(name) or "")

    def _take_lines(self, name: str, lines: Iterable[Line]) -> None:
        for line in lines:
            match line:
                case BlankLines(count):
                    self._keep(name, self._number, [ShapeFault("", _BLANK, Effect.FAILS_IMPORT)])
                    self._number += count - 1
                case OverlongLine():
                    too_long = f"has {line.length} bytes, over the limit"
                    self._keep(name, self._number, [ShapeFault("", too_long, Effect.FAILS_IMPORT)])
                case _:
                    self._inspect(name, line)
            self._number += 1

    def _inspect(self, name: str, line: bytes) -> None:
        number = iid_of_line(line)
        shape = shape_faults(line, relation_of(name) or "", depth=self._limits.depth)
        found = list(islice(shape, _MOST_OF_A_LINE))
        # A record that is left out takes no number from another one.
        is_dropped = any(each.effect is Effect.DROPS_RECORD for each in found)
        if not is_dropped and (duplicate := self._numbers.find(line)):
            self._keep(name, self._number, [ShapeFault(*duplicate)], number=number)
        self._keep(name, self._number, found, number=number)

    def _keep(
        self, name: str, line: int | None, faults: Iterable[ShapeFault], *, number: int | None = None
    ) -> None:
        for fault in islice(faults, _MOST_OF_A_LINE):
            self._counts[name] += 1
            if len(self._faults) < MOST_LISTED:
                told = ShapeFaultResult(
                    relation_of(name), line, fault.field, fault.message, number, fault.effect.value
                )
                self._faults.append((name, told))

    @property
    def result(self) -> ShapeReport:
        """What was found so far."""
        return ShapeReport(
            count=self._counts.total(),
            faults=[fault for _, fault in self._faults],
            partial=tuple(sorted(self._partial)),
        )
