"""The form of a manifest: one document of canonical JSON (RFC 8785), without a newline.

It has all files of an archive, in the order of the bytes of their names, so that it is the same in whatever
order they lie there. Its digest is its SHA-256.

Of RFC 8785 applies: members in the order of their names, no white space, the shortest escapes, and UTF-8
(3.2.1 to 3.2.4). All numbers are integers from 0 to 2**53 - 1, written as their digits (3.2.2.3).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

FORMAT = 1
"""The version of the form; another one gives other bytes for the same files."""

MEDIA_TYPE = "application/json"

BEGIN = b'{"files":['
BETWEEN = b","
END = b'],"version":%d}' % FORMAT
"""What is before the first file, between two, and behind the last."""

_encoder = msgspec.json.Encoder()


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file: its SHA-256, in hexadecimal, and its bytes. Of a relation, ``lines`` counts the records."""

    # In the order of names, in which they are encoded.
    lines: int | None = None
    name: str
    sha256: str
    size: int


def encode_files(files: Sequence[ManifestFile]) -> bytes:
    """Encode files that are in order, without what is before and behind them."""
    return _encoder.encode(files)[1:-1]


def signed_text(digest: bytes) -> bytes:
    """Give what the signature of a manifest signs: its digest as 64 hexadecimal digits, and a newline.

    Ed25519 wants all of a message at once, and a manifest of a million files has some 150 MB.
    """
    return digest.hex().encode() + b"\n"
