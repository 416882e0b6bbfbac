"""Reads a manifest: bytes in, files out, without I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from shared.manifest.errors import ManifestInvalid
from shared.manifest.format import FORMAT, ManifestFile, ManifestHead, manifest_digest

LONGEST_LINE = 64 * 1024
"""Bytes; a name of 2600 bytes has at most 15,600 as JSON."""

_T = TypeVar("_T")
_head = msgspec.json.Decoder(ManifestHead)
_file = msgspec.json.Decoder(ManifestFile)


class ManifestReader:
    """Takes a manifest in pieces of any length, and holds its files, as archives have them in another order.

    Memory: some 300 bytes for each of at most ``most`` files. Until ``close``, lines may have been changed.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._rest = b""
        self._content = hashlib.sha256()
        self._parsed: ManifestHead | None = None
        self._last = b""
        self.head = b""
        self.files: dict[str, ManifestFile] = {}

    @property
    def digest(self) -> bytes:
        """The digest of the manifest, which is that of its first line."""
        return manifest_digest(self.head)

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises ManifestInvalid."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._rest) > LONGEST_LINE:
            raise ManifestInvalid(f"a line of the manifest has over {LONGEST_LINE} bytes")

    def close(self) -> None:
        """Check what the first line says of all others. Raises ManifestInvalid."""
        if self._rest or self._parsed is None:
            raise ManifestInvalid("the manifest ends in the middle of a line")
        if self._content.hexdigest() != self._parsed.content:
            raise ManifestInvalid("the files of the manifest are not those that its first line names")

    def _take(self, line: bytes) -> None:
        if len(line) > LONGEST_LINE:
            raise ManifestInvalid(f"a line of the manifest has over {LONGEST_LINE} bytes")
        if self._parsed is None:
            self._begin(line)
            return
        self._content.update(line + b"\n")
        file = _decode(_file, line)
        name = file.name.encode()
        if name <= self._last:
            raise ManifestInvalid(f"{file.name} is not in the order of names")
        self._last = name
        self._add([file])

    def _begin(self, line: bytes) -> None:
        self._parsed = _decode(_head, line)
        if self._parsed.version != FORMAT:
            raise ManifestInvalid(f"the manifest has the form {self._parsed.version}, not {FORMAT}")
        self.head = line + b"\n"
        self._add(self._parsed.documents)

    def _add(self, files: Iterable[ManifestFile]) -> None:
        for file in files:
            if file.name in self.files:
                raise ManifestInvalid(f"{file.name} is in the manifest twice")
            if len(self.files) == self._most:
                raise ManifestInvalid(f"the manifest has over {self._most} files")
            self.files[file.name] = file


def _decode(decoder: msgspec.json.Decoder[_T], line: bytes) -> _T:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"a line is none of a manifest: {error}") from None
