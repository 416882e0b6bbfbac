"""Checking a git bundle as it streams by (gitformat-bundle(5), gitformat-pack(5)).

What is proven: the header is one that git reads, and the pack is whole and unchanged, by the checksum
that git put at its end. The objects in it are not looked at.
"""

from __future__ import annotations

import hashlib
import re
from struct import Struct

from shared.errors import ArchiveError

LINE_LIMIT = 64 * 1024
"""Bytes that a line of the header may have, its newline not counted."""

_SIGNATURES = {b"# v2 git bundle": 2, b"# v3 git bundle": 3}
_SIGNATURE_LENGTH = 15
_WITH_CAPABILITIES = 3
_CAPABILITY = re.compile(rb"@(?:object-format=(?P<format>sha1|sha256)|filter=.+)")
_ENTRIES = {
    name: re.compile(rb"(-?)([0-9a-fA-F]{%d})(?:[ \t\r](.*))?" % digits, re.DOTALL)
    for name, digits in (("sha1", 40), ("sha256", 64))
}
_PACK_HEADER = Struct(">4sII")
_PACK_VERSIONS = (2, 3)
_NO_BUNDLE = "it does not begin as a git bundle does"
_EXCERPT = 40


class InvalidBundle(ArchiveError):
    """The file ``name`` is no git bundle, or a damaged one (GitLab's text, and why)."""

    code = "invalid_bundle"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Invalid bundle file ({name}: {reason})")
        self.name = name
        self.reason = reason


class BundleVerifier:
    """Takes one bundle in order, at any cut; raises InvalidBundle as soon as it cannot be one.

    Holds no more than a line of the header, or the checksum's length of the pack. What it learns is
    complete after ``close``: ``references`` and ``prerequisites`` are counts, ``head`` is the object
    id of HEAD where that is listed.
    """

    def __init__(self, name: str) -> None:
        self.version = 0
        self.object_format = "sha1"
        self.references = 0
        self.prerequisites = 0
        self.head: str | None = None
        self._name = name
        self._held = b""
        self._pack: _Pack | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes, any number."""
        if self._pack:
            self._pack.feed(data)
        else:
            self._read_header(self._held + data)

    def close(self) -> None:
        """End the bundle: all of it must have been there."""
        if not self._pack:
            raise InvalidBundle(self._name, "its header is cut off")
        self._pack.close()

    def _read_header(self, data: bytes) -> None:
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            line, start = data[start:end], end + 1
            self._check_length(line)
            if self.version and not line:
                self._held = b""
                self._pack = _Pack(self._name, object_format=self.object_format)
                self._pack.feed(memoryview(data)[start:])
                return
            self._read_line(line)
        self._held = data[start:]
        self._check_length(self._held)

    def _check_length(self, line: bytes) -> None:
        if len(line) > (LINE_LIMIT if self.version else _SIGNATURE_LENGTH):
            raise InvalidBundle(
                self._name, "a line of its header is too long" if self.version else _NO_BUNDLE
            )

    def _read_line(self, line: bytes) -> None:
        if not self.version:
            self._read_signature(line)
        elif self.version == _WITH_CAPABILITIES and line.startswith(b"@"):
            self._read_capability(line.rstrip())
        else:
            self._read_entry(line.rstrip())

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

    def _read_entry(self, line: bytes) -> None:
        entry = _ENTRIES[self.object_format].fullmatch(line)
        if not entry or not (entry[1] or entry[3]):
            raise InvalidBundle(self._name, f"unrecognized header {line[:_EXCERPT]!r}")
        if entry[1]:
            self.prerequisites += 1
            return
        self.references += 1
        if entry[3] == b"HEAD":
            self.head = entry[2].decode().lower()


class _Pack:
    """The pack, which ends with the checksum of all before it."""

    def __init__(self, name: str, *, object_format: str) -> None:
        self._name = name
        self._checksum = hashlib.new(object_format, usedforsecurity=False)
        self._begun = b""
        self._end = b""

    def feed(self, data: bytes | memoryview) -> None:
        view, kept = memoryview(data), self._checksum.digest_size
        if len(self._begun) < _PACK_HEADER.size:
            self._begin(view)
        if len(view) < kept:
            view = memoryview(self._end + view)
        else:
            self._checksum.update(self._end)
        self._checksum.update(view[:-kept])
        self._end = bytes(view[-kept:])

    def close(self) -> None:
        if len(self._begun) < _PACK_HEADER.size or self._end != self._checksum.digest():
            raise InvalidBundle(self._name, "its pack is cut off or damaged")

    def _begin(self, view: memoryview) -> None:
        self._begun += view[: _PACK_HEADER.size - len(self._begun)]
        if len(self._begun) == _PACK_HEADER.size:
            magic, version, _ = _PACK_HEADER.unpack(self._begun)
            if magic != b"PACK" or version not in _PACK_VERSIONS:
                raise InvalidBundle(self._name, "what follows its header is not a pack of version 2 or 3")
