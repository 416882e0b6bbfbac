"""The form of a manifest: lines of canonical JSON (RFC 8785), of which the first names all that follow.

The first line has the documents that each export makes itself, and the SHA-256 of all lines after it, with
their newlines. Those are of the other files, one of each, in the order of the bytes of their names. So the
SHA-256 of the first line, with its newline, says what every file of the archive is, in whatever order they
lie there: it is the digest of the manifest. Where that of the other lines is known, it needs no look at them.

Of RFC 8785 applies: members in the order of their names, no white space, the shortest escapes, and UTF-8
(3.2.1 to 3.2.4). All numbers are integers from 0 to 2**53 - 1, written as their digits (3.2.2.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

FORMAT = 1
"""The version of the form; another one gives other bytes for the same files."""

MEDIA_TYPE = "application/x-ndjson"

_encoder = msgspec.json.Encoder()


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file: its SHA-256, in hexadecimal, and its bytes. Of a relation, ``lines`` counts the records."""

    # In the order of names, in which they are encoded.
    lines: int | None = None
    name: str
    sha256: str
    size: int


class ManifestHead(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. ``content`` is the SHA-256 of the lines that follow, in hexadecimal."""

    content: str
    documents: Sequence[ManifestFile]
    version: int


def encode_files(files: Sequence[ManifestFile]) -> bytes:
    """Encode files that are in order, each as a line."""
    return _encoder.encode_lines(files)


def encode_head(content: bytes, documents: Sequence[ManifestFile]) -> bytes:
    """Encode the first line; ``content`` is the SHA-256 of the others."""
    ordered = sorted(documents, key=lambda each: each.name.encode())
    head = ManifestHead(content=content.hex(), documents=ordered, version=FORMAT)
    return encode_json(head) + b"\n"


def encode_json(value: object) -> bytes:
    """Encode structs of this module canonically."""
    return _encoder.encode(value)


def manifest_digest(head: bytes) -> bytes:
    """Give the digest of the manifest that begins with this line."""
    return hashlib.sha256(head).digest()
