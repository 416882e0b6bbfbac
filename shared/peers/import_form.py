"""The form of ``POST /projects/import`` as a stream: its fields, and the archive as its last part."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from secrets import token_hex

_FILE_NAME = "project.tar.gz"
_ESCAPES = {ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"}
"""How HTML has names in ``Content-Disposition`` (multipart/form-data encoding algorithm)."""


class ImportForm:
    """A form of fields and of an archive of ``size`` bytes. Its own length is known before it is read."""

    def __init__(self, fields: Mapping[str, str], *, size: int) -> None:
        # No archive has it: 128 bits that nobody knows before.
        self._boundary = f"crossdock-{token_hex(16)}"
        self._head = b"".join([*map(self._field, fields, fields.values()), self._file_head()])
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()
        self.length = len(self._head) + size + len(self._tail)

    @property
    def content_type(self) -> str:
        """The header of the request."""
        return f"multipart/form-data; boundary={self._boundary}"

    async def read(self, archive: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Give the form, with the pieces of the archive as they come."""
        yield self._head
        async with aclosing(archive):
            async for piece in archive:
                yield piece
        yield self._tail

    def _field(self, name: str, value: str) -> bytes:
        return f"{self._disposition(name)}\r\n\r\n{value}\r\n".encode()

    def _file_head(self) -> bytes:
        head = f'{self._disposition("file")}; filename="{_FILE_NAME}"'
        return f"{head}\r\nContent-Type: application/gzip\r\n\r\n".encode()

    def _disposition(self, name: str) -> str:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
