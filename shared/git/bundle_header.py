"""Reads the header of a git bundle as it streams by (gitformat-bundle(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.errors import ArchiveError

LINE_LIMIT = 64 * 1024
"""Bytes that a line of the header may have, without its newline."""

_SIGNATURES = {b"# v2 git bundle": 2, b"# v3 git bundle": 3}
_SIGNATURE_LENGTH = 15
_WITH_CAPABILITIES = 3
_CAPABILITY = re.compile(rb"@(?:object-format=(?P<format>sha1|sha256)|filter=.+)")
_ENTRIES = {
    name: re.compile(rb"(-?)([0-9a-fA-F]{%d})(?:[ \t\r](.*))?" % digits, re.DOTALL)
    for name, digits in (("sha1", 40), ("sha256", 64))
}
_NO_BUNDLE = "it does not begin as a git bundle does"
_EXCERPT = 40


class InvalidBundle(ArchiveError):
    """The file ``name`` is not a git bundle, or it is damaged (GitLab's text, and why)."""

    code = "invalid_bundle"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Invalid bundle file ({name}: {reason})")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in the repository (refs/heads/main, HEAD) and its object id, in lower case."""

    name: bytes
    object_id: str


class BundleHeader:
    """Takes the beginning of one bundle in order, in pieces of any size. Raises InvalidBundle.

    Holds no more than a line. ``pack`` is None until the header has ended; then it is what followed in the
    bytes that ended it, and nothing may be fed after that. ``prerequisites`` is a count.
    """

    def __init__(self, name: str) -> None:
        self.version = 0
        self.object_format = "sha1"
        self.prerequisites = 0
        self.pack: memoryview | None = None
        self._name = name
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Reference]:
        """Take the next bytes, any number, and give the references in them; read it to the end."""
        data = self._held + data
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            line, start = data[start:end], end + 1
            self._check_length(line)
            if self.version and not line:
                self._held = b""
                self.pack = memoryview(data)[start:]
                return
            if reference := self._read_line(line):
                yield reference
        self._held = data[start:]
        self._check_length(self._held)

    def _check_length(self, line: bytes) -> None:
        if len(line) > (LINE_LIMIT if self.version else _SIGNATURE_LENGTH):
            raise InvalidBundle(
                self._name, "a line of its header is too long" if self.version else _NO_BUNDLE
            )

    def _read_line(self, line: bytes) -> Reference | None:
        if not self.version:
            self._read_signature(line)
            return None
        if self.version == _WITH_CAPABILITIES and line.startswith(b"@"):
            self._read_capability(line.rstrip())
            return None
        return self._read_entry(line.rstrip())

    def _read_signature(self, line: bytes) -> None:
        if line not in _SIGNATURES:
            raise InvalidBundle(self._name, _NO_BUNDLE)
        self.version = _SIGNATURES[line]

    def _read_capability(self, line: bytes) -> None:
        # As in git, a capability that is not known may change the meaning of all that follows.
        known = _CAPABILITY.fullmatch(line)
        if not known:
            raise InvalidBundle(self._name, f"unknown capability {line[:_EXCERPT]!r}")
        if known["format"]:
            self.object_format = known["format"].decode()

    def _read_entry(self, line: bytes) -> Reference | None:
        entry = _ENTRIES[self.object_format].fullmatch(line)
        if not entry or not (entry[1] or entry[3]):
            raise InvalidBundle(self._name, f"unrecognized header {line[:_EXCERPT]!r}")
        if entry[1]:
            self.prerequisites += 1
            return None
        return Reference(entry[3], entry[2].decode().lower())
