"""Verifies a git bundle as it streams by (gitformat-bundle(5), gitformat-pack(5)).

It proves that git can read the header, and that the pack is complete and unchanged, by the checksum at its
end. Its commits and tags are looked at until all were found to which the references lead.
"""

from __future__ import annotations

import hashlib

from shared.errors import ArchiveError
from shared.git.bundle_header import BundleHeader, InvalidBundle, Reference
from shared.git.history import HistoryLooker
from shared.git.pack_objects import PACK_HEADER, PackObjects, PackUnreadable

MOST_TIPS = 100_000
"""Objects of references that are looked for in the pack; where there are more, none is."""

_HEAD, _BRANCHES = b"HEAD", b"refs/heads/"
_PACK_VERSIONS = (2, 3)
_LINES_OF_OBJECT = 4
_INFLATED_OF_LINE = 4096
"""What an object is worth in lines, by the time that it takes, and how many bytes that come of it are one."""


class IncompleteBundle(ArchiveError):
    """The bundle is whole, but lacks objects that it needs, so that nobody can clone it.

    It has prerequisites (``git bundle create FILE A..B``), references and no object at all, or lacks what its
    references name or commits that these lead to, as the bundle of a shallow clone does. That files are
    missing is not found out, nor is a commit where the history is so long, or has so many deltas whose bases
    are far away, that one pass cannot tell.
    """

    code = "incomplete_bundle"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Incomplete bundle file ({name}: {reason})")
        self.name = name
        self.reason = reason


class BundleVerifier:
    """Takes one bundle in order, in pieces of any size; raises InvalidBundle as soon as it cannot be one.

    Holds no more than a line of the header, or of the pack the checksum's length, and what HistoryLooker
    holds, 60 MiB at most, until all is found. Its results are complete after ``close``: ``references`` is a
    count, ``head`` is the object id of HEAD where that is listed.
    """

    def __init__(self, name: str) -> None:
        self.references = 0
        self.head: str | None = None
        self._name = name
        self._header = BundleHeader(name)
        self._pack: _Pack | None = None
        self._commits: set[bytes] = set()
        self._others: set[bytes] = set()

    def check_complete(self) -> None:
        """Raise IncompleteBundle where a clone of the bundle must fail, after ``close``."""
        if self.prerequisites:
            raise IncompleteBundle(
                self._name,
                f"it presupposes commits that are not in it, {self.prerequisites} of them; make one of the "
                "whole repository by: git bundle create FILE --all",
            )
        if self.references and self._pack and not self._pack.objects:
            raise IncompleteBundle(self._name, f"it has references, {self.references} of them, and no object")
        if self._pack and self._pack.missing:
            raise IncompleteBundle(
                self._name,
                f"it lacks commits or tags that its references lead to, {self._pack.missing} at least",
            )

    @property
    def in_header(self) -> bool:
        """Whether the next bytes belong to the header."""
        return self._pack is None

    @property
    def work(self) -> int:
        """What was done with objects of the pack, as the number of lines that would have cost the same."""
        return self._pack.work if self._pack else 0

    @property
    def version(self) -> int:
        """2 or 3; 0 before the first line."""
        return self._header.version

    @property
    def object_format(self) -> str:
        """The hash that names objects: sha1 or sha256."""
        return self._header.object_format

    @property
    def prerequisites(self) -> int:
        """How many objects the bundle presupposes."""
        return self._header.prerequisites

    def feed(self, data: bytes) -> None:
        """Take the next bytes, any number. Raises InvalidBundle."""
        if self._pack:
            self._pack.feed(data)
        else:
            self._read_header(data)

    def close(self) -> None:
        """End the bundle. Raises InvalidBundle where it is not complete."""
        if not self._pack:
            raise InvalidBundle(self._name, "its header is cut off")
        self._pack.close()

    def _read_header(self, data: bytes) -> None:
        for reference in self._header.feed(data):
            self._keep(reference)
        if self._header.pack is not None:
            self._pack = _Pack(self._name, object_format=self.object_format, history=self._history())
            self._commits, self._others = set(), set()
            self._pack.feed(self._header.pack)

    def _keep(self, reference: Reference) -> None:
        self.references += 1
        if reference.name == _HEAD:
            self.head = reference.object_id
        if len(self._commits) + len(self._others) <= MOST_TIPS:
            is_branch = reference.name == _HEAD or reference.name.startswith(_BRANCHES)
            tips = self._commits if is_branch else self._others
            tips.add(bytes.fromhex(reference.object_id))

    def _history(self) -> HistoryLooker:
        if len(self._commits) + len(self._others) > MOST_TIPS:
            return HistoryLooker(self.object_format, commits=(), others=())
        others = self._others - self._commits
        return HistoryLooker(self.object_format, commits=self._commits, others=others)


class _Pack:
    """The pack, which ends with the checksum of everything before that, and the look at its objects."""

    def __init__(self, name: str, *, object_format: str, history: HistoryLooker) -> None:
        self._name = name
        self._checksum = hashlib.new(object_format, usedforsecurity=False)
        self._begun = b""
        self._end = b""
        self._history = history
        self._pack = PackObjects(object_format, history)
        self._looks = True
        self.objects = 0

    @property
    def work(self) -> int:
        return _LINES_OF_OBJECT * self._pack.seen + self._pack.inflated // _INFLATED_OF_LINE

    @property
    def missing(self) -> int:
        """How many objects are not there to which references lead, as far as one pass can tell."""
        is_known = self._looks and self._pack.is_over
        return self._history.missing if is_known else 0

    def feed(self, data: bytes | memoryview) -> None:
        view, kept = memoryview(data), self._checksum.digest_size
        if len(self._begun) < PACK_HEADER.size:
            self._begin(view)
        if self._looks:
            self._look(view)
        if len(view) < kept:
            view = memoryview(self._end + view)
        else:
            self._checksum.update(self._end)
        self._checksum.update(view[:-kept])
        self._end = bytes(view[-kept:])

    def close(self) -> None:
        if len(self._begun) < PACK_HEADER.size or self._end != self._checksum.digest():
            raise InvalidBundle(self._name, "its pack is cut off or damaged")

    def _begin(self, view: memoryview) -> None:
        self._begun += view[: PACK_HEADER.size - len(self._begun)]
        if len(self._begun) == PACK_HEADER.size:
            magic, version, self.objects = PACK_HEADER.unpack(self._begun)
            if magic != b"PACK" or version not in _PACK_VERSIONS:
                raise InvalidBundle(self._name, "what follows its header is not a pack of version 2 or 3")

    def _look(self, view: memoryview) -> None:
        """Look at the objects as long as that may tell anything; one that is unreadable tells nothing."""
        try:
            self._pack.feed(view)
        except PackUnreadable:
            self._looks = False
        if self._history.is_decided:
            self._looks = False
