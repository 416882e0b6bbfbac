"""Headers that extend the entry after them: GNU long names and PAX headers."""

from __future__ import annotations

from shared.archive.errors import HeaderTooLarge, RepeatedExtension
from shared.archive.pax import check_global_pax, parse_pax
from shared.archive.sparse import Sparse
from shared.archive.tar_header import Header

_LONG_NAME, _LONG_LINK, _PAX, _GLOBAL_PAX = b"L", b"K", b"x", b"g"


class Extensions:
    """Collects the extensions before an entry, then applies them.

    ``limit`` is the bytes of one extension, ``stretches`` the most of a sparse file.
    """

    TYPES = frozenset({_LONG_NAME, _LONG_LINK, _PAX, _GLOBAL_PAX})

    def __init__(self, limit: int, *, stretches: int) -> None:
        self.left = 0
        """Bytes of the extension that are still to come."""
        self._limit = limit
        self._stretches = stretches
        self._header = Header(b"", 0, 0, b"")
        self._data = bytearray()
        self.pending: dict[bytes, bytes] = {}
        """The complete extensions by type, for the entry that has to follow."""

    def start(self, header: Header) -> None:
        """Begin an extension. Raises RepeatedExtension and HeaderTooLarge."""
        if header.type in self.pending:
            raise RepeatedExtension(header.name)
        if header.size > self._limit:
            raise HeaderTooLarge(header.name, limit=self._limit)
        self._header = header
        self._data.clear()
        self.left = header.size
        self.take(b"")

    def take(self, piece: bytes) -> None:
        """Add the next bytes, at most ``left``. Raises BadPaxHeader for a global header."""
        self._data += piece
        self.left -= len(piece)
        if self.left:
            return
        if self._header.type == _GLOBAL_PAX:
            check_global_pax(bytes(self._data), self._header.name)
        else:
            self.pending[self._header.type] = bytes(self._data)

    def apply(self, header: Header) -> tuple[Header, Sparse | None]:
        """Give the entry's header with all pending extensions applied, and what they say of a sparse file.

        Raises BadPaxHeader and BadSparseMap.
        """
        pending, self.pending = self.pending, {}
        if _LONG_NAME in pending:
            header = header._replace(name=pending[_LONG_NAME].rstrip(b"\0"))
        if _PAX not in pending:
            return header, None
        # As in GNU tar, PAX headers win over long names.
        pax = parse_pax(pending[_PAX], header.name, stretches=self._stretches)
        applied = header._replace(
            name=header.name if pax.path is None else pax.path,
            size=header.size if pax.size is None else pax.size,
            mtime=header.mtime if pax.mtime is None else pax.mtime,
        )
        return applied, pax.sparse
