"""A set of iids in little memory."""

from __future__ import annotations

from shared.errors import ArchiveError

MOST_PAGES = 2048
"""Each page has 8 KiB, so 16 MiB in all: 134 million adjacent numbers, or 2048 distant ones."""

_PAGE_BITS = 16


class IidsScattered(ArchiveError):
    """The iids are so far apart that they exceed the memory for them."""

    code = "iids_scattered"

    def __init__(self) -> None:
        super().__init__(f"iids are spread over more than {MOST_PAGES} runs of {1 << _PAGE_BITS} numbers")


class Iids:
    """A set of numbers from 0 on: one bit for each, in pages that are created when needed."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def add(self, iid: int) -> bool:
        """Add a number; give whether it is new. Raises IidsScattered."""
        page = self._pages.get(iid >> _PAGE_BITS) or self._new_page(iid >> _PAGE_BITS)
        at, bit = (iid >> 3) & 0x1FFF, 1 << (iid & 7)
        known = page[at] & bit
        page[at] |= bit
        return not known

    def _new_page(self, number: int) -> bytearray:
        if len(self._pages) >= MOST_PAGES:
            raise IidsScattered
        return self._pages.setdefault(number, bytearray(1 << (_PAGE_BITS - 3)))
