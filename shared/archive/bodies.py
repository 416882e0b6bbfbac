"""Bodies of entries whose bytes are not told as they come: sparse files, and what may be litter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.archive.budget import Budget, Work
from shared.archive.errors import BadSparseMap
from shared.archive.events import EntryData, EntryDropped, EntryEnded, EntryStarted, TarEvent
from shared.archive.litter import MAGIC_LENGTH
from shared.archive.sparse import DataMap, Numbers, Sparse, check_map

ENDED = EntryEnded()

_ZEROS = bytes(256 * 1024)
"""The longest piece of a hole."""


class SparseBody:
    """Tells a sparse file as it is: what is stored, and the zeros around that in pieces of 256 KiB at most.

    ``stored`` are its bytes in the archive. Each stretch and each zero is paid for before it is told.
    """

    def __init__(self, sparse: Sparse, *, stored: int, name: bytes, most: int, budget: Budget) -> None:
        self._size = sparse.size
        self._stored = stored
        self._name = name
        self._budget = budget
        self._map = DataMap(name, most)
        self._numbers: Numbers = ()
        self._is_mapped = False
        self._next = 0  # of the numbers
        self._position = 0
        self._left = 0  # of the stretch
        if sparse.numbers is not None:
            self._begin(sparse.numbers)

    def _begin(self, numbers: Numbers) -> None:
        self._budget.spend(Work.ENTRIES, len(numbers) // 2)
        stored = self._stored - self._map.length
        self._numbers = check_map(numbers, size=self._size, stored=stored, name=self._name)
        self._is_mapped = True

    def take(self, piece: bytes) -> Iterator[TarEvent]:
        """Tell what the next bytes are. Raises BadSparseMap and ArchiveCostsTooMuch."""
        start = 0
        if not self._is_mapped:
            start = self._map.take(piece)
            if self._map.numbers is not None:
                self._begin(self._map.numbers)
        while start < len(piece):
            while not self._left:
                yield from self._open_stretch()
            data = piece[start : start + self._left]
            start += len(data)
            self._left -= len(data)
            self._position += len(data)
            yield EntryData(data)

    def _open_stretch(self) -> Iterator[TarEvent]:
        offset, self._left = self._numbers[self._next], self._numbers[self._next + 1]
        self._next += 2
        yield from self._zeros(offset)

    def _zeros(self, end: int) -> Iterator[TarEvent]:
        while self._position < end:
            length = min(end - self._position, len(_ZEROS))
            self._budget.spend(Work.BYTES, length)
            self._position += length
            yield EntryData(_ZEROS[:length])

    def close(self) -> Iterator[TarEvent]:
        """Tell the zeros behind the last stretch. Raises BadSparseMap where there is no map."""
        if not self._is_mapped:
            raise BadSparseMap(self._name, "it is cut off")
        yield from self._zeros(self._size)
        yield ENDED


class SuspectBody:
    """Tells a file whose name is one of litter, unless its first bytes, which it holds back, are so as well.

    ``is_litter`` judges them, and ``start`` gives the events with which the file begins.
    """

    def __init__(
        self,
        started: EntryStarted,
        *,
        is_litter: Callable[[str, bytes], bool],
        start: Callable[[EntryStarted], Iterator[TarEvent]],
    ) -> None:
        self._started = started
        self._is_litter = is_litter
        self._start = start
        self._held = b""
        self._is_judged = self._is_told = False

    def take(self, piece: bytes) -> Iterator[TarEvent]:
        """Tell the next bytes, or hold them back, or drop them."""
        if not self._is_judged:
            self._held += piece
            if len(self._held) >= MAGIC_LENGTH:
                yield from self._judge()
        elif self._is_told:
            yield EntryData(piece)

    def _judge(self) -> Iterator[TarEvent]:
        self._is_judged = True
        name, held = self._started.name, self._held
        self._is_told = not self._is_litter(name, held)
        if not self._is_told:
            yield EntryDropped(name)
            return
        yield from self._start(self._started)
        if held:
            yield EntryData(held)

    def close(self) -> Iterator[TarEvent]:
        """End the file."""
        if not self._is_judged:
            yield from self._judge()
        if self._is_told:
            yield ENDED
