"""Reads a manifest: bytes in, files out, without I/O."""

from __future__ import annotations

import hashlib
import re

import msgspec

from shared.manifest.errors import ManifestInvalid
from shared.manifest.format import BEGIN, END, ManifestFile, encode_files

LONGEST_FILE = 64 * 1024
"""Bytes of what is said of one file; a name of 2600 bytes has at most 15,600 as JSON."""

# No text has this in it: its quotes are escaped, and what follows that at its end is no letter.
_BETWEEN = re.compile(rb'(?<=\}),(?=\{"[a-z])')
_decoder = msgspec.json.Decoder(ManifestFile)


class ManifestReader:
    """Takes a manifest in pieces of any length, and holds its files, as archives have them in another order.

    It refuses any other bytes than those in which the same files are written. Memory: some 300 bytes for each
    of at most ``most`` files.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._digest = hashlib.sha256()
        self._before = BEGIN
        self._rest = b""
        self._last: str | None = None
        self.files: dict[str, ManifestFile] = {}

    @property
    def digest(self) -> bytes:
        """The digest of the manifest."""
        return self._digest.digest()

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises ManifestInvalid."""
        self._digest.update(data)
        *files, self._rest = _BETWEEN.split(self._rest + data)
        for file in files:
            self._take(file)
        _check_length(self._rest)

    def close(self) -> None:
        """Take the last file, and what is behind it. Raises ManifestInvalid."""
        if not self._rest.endswith(END):
            raise ManifestInvalid(
                f"the manifest does not end in {END.decode()}: it was cut, or is of another form"
            )
        last = self._rest.removesuffix(END)
        if last != self._before:  # there is no file at all
            self._take(last)

    def _take(self, text: bytes) -> None:
        _check_length(text)
        if not text.startswith(self._before):
            raise ManifestInvalid(f"the manifest does not begin with {BEGIN.decode()}")
        file = _decode(text.removeprefix(self._before))
        self._before = b""
        if self._last is not None and file.name <= self._last:  # code points have the order of their UTF-8
            raise ManifestInvalid(f"{file.name} is not in the order of names")
        if len(self.files) == self._most:
            raise ManifestInvalid(f"the manifest has over {self._most} files")
        self._last = file.name
        self.files[file.name] = file


def _check_length(text: bytes) -> None:
    if len(text) > LONGEST_FILE:
        raise ManifestInvalid(f"a file of the manifest has over {LONGEST_FILE} bytes")


def _decode(text: bytes) -> ManifestFile:
    try:
        file = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"what should be a file of the manifest is none: {error}") from None
    if encode_files([file]) != text:
        raise ManifestInvalid(f"{file.name} is not in canonical JSON")
    return file
