"""LFS objects of an archive: their index, and their content, whose SHA-256 is their name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec

from shared.errors import ArchiveError
from shared.gitlab.json_document import InvalidDocument, JsonDocument

_LONGEST = 128

# The tokens of a text that is known to be a JSON object, where every value in it is a list of repository
# types: a name stands before a list, and nothing else begins one. Some at a time, as a match lets no other
# thread run.
_TOKENS = re.compile(rb'(?:[012][\s,\]]++|null[\s,\]]++|"[^"\\]*+"\s*+:\s*+\[[\s\]]*+|[\s,\]]++){1,4096}+')
_BEGIN, _END = re.compile(rb"\s*+\{"), re.compile(rb"\}\s*+")
_OID = re.compile(r"[0-9a-f]{64}")
_LISTED = re.compile(rb'"([0-9a-f]{64})"\s*:')


class _AnyObject(msgspec.Struct):
    pass


class LfsIndex:
    """The index: ``{OID: [repository types]}``. Without it, objects belong to the project's repository."""

    parses = True
    work = 0

    def __init__(self, name: str) -> None:
        self._document = JsonDocument(name)
        self.named: AbstractSet[bytes] | None = None
        """The digests of the objects, after ``close``: at most 700,000 in 50 MiB, of 100 bytes of memory."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises InvalidDocument."""
        self._document.feed(data)

    def close(self) -> None:
        """Check the index. Raises InvalidDocument where it is not such an object."""
        self._document.close(_AnyObject)
        if not _has_lists_of_types(self._document.data):
            raise InvalidDocument(self._document.name, "its values are not lists of 0, 1, 2 or null")
        self.named = frozenset(
            bytes.fromhex(found[1].decode()) for found in _LISTED.finditer(self._document.data)
        )
        self._document.data.clear()


def _has_lists_of_types(text: bytearray) -> bool:
    match, end = _BEGIN.match(text), 0
    while match:
        end = match.end()
        match = _TOKENS.match(text, end)
    return _END.fullmatch(text, end) is not None


def listed_oids(index: bytes) -> AbstractSet[bytes]:
    """Give the ids in an index, at 150 bytes of memory each: at most 700,000 fit in 50 MiB."""
    return frozenset(found[1] for found in _LISTED.finditer(index))


def with_names(index: bytes, oids: Sequence[str]) -> bytes:
    """Add objects of the project's repository to an index, in GitLab's form; ``index`` is a JSON object."""
    begun = index.rstrip().removesuffix(b"}").rstrip()
    between = b"" if begun.endswith(b"{") else b","
    return begun + between + b",".join(b'"%b":[0]' % oid.encode() for oid in oids) + b"}"


class WrongDigest(ArchiveError):
    """The name of an LFS object is not the SHA-256 of its bytes."""

    code = "lfs_digest"

    def __init__(self, oid: str, found: str) -> None:
        super().__init__(f"LFS object {oid[:_LONGEST]} has the SHA-256 {found}")


def digest_of(oid: str | None) -> bytes | None:
    """Give the SHA-256 that an object of that name must have; None where it is not one in hex."""
    return bytes.fromhex(oid) if oid and _OID.fullmatch(oid) else None


def check_oid(oid: str, sha256: bytes) -> None:
    """Compare the name of an LFS object with the digest of its bytes. Raises WrongDigest."""
    if sha256.hex() != oid:
        raise WrongDigest(oid, sha256.hex())
