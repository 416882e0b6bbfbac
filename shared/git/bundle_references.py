"""The branches and tags in the header of a bundle; nothing after the header is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import Fault, Unprocessable
from shared.git.bundle_header import BundleHeader, Reference

MOST_REFERENCES = 100_000
"""Branches and tags that are held at once."""

LONGEST_HEADER = 64 * 1024 * 1024
"""Bytes of a header that are read; GitLab's bundles list a reference for every commit that it keeps."""

_BRANCH, _TAG = b"refs/heads/", b"refs/tags/"
_CUSTOMARY = ("main", "master")


class TooManyReferences(Unprocessable):
    """The repository has more branches and tags than can be listed."""

    code = "too_many_references"
    fault = Fault.ARCHIVE

    def __init__(self) -> None:
        super().__init__(f"the repository has more than {MOST_REFERENCES} branches and tags")


@dataclass(frozen=True, slots=True)
class References:
    """Branches and tags without their prefixes, and their object ids.

    The id of an annotated tag is that of the tag object: a header does not contain the commit.
    """

    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    head: str | None = None

    @property
    def default_branch(self) -> str | None:
        """The branch of HEAD, as far as it can be known: the header has only the commit of HEAD, if that.

        Of several branches with that commit it is the customary one, or the first by name.
        """
        there = [name for name, object_id in self.branches.items() if self.head in (None, object_id)]
        return next((name for name in _CUSTOMARY if name in there), min(there, default=None))


class ReferenceReader:
    """Takes the beginning of a bundle in order, in pieces of any size.

    Raises InvalidBundle and TooManyReferences.
    """

    def __init__(self, name: str) -> None:
        self._header = BundleHeader(name)
        self._read = 0
        self._branches: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._head: str | None = None

    def feed(self, data: bytes) -> References | None:
        """Take the next bytes, any number.

        Give the references once the header has ended, None before that.
        """
        self._read += len(data)
        for reference in self._header.feed(data):
            self._keep(reference)
        if len(self._branches) + len(self._tags) > MOST_REFERENCES:
            raise TooManyReferences
        if self._header.pack is not None:
            return References(self._branches, self._tags, self._head)
        if self._read > LONGEST_HEADER:
            raise TooManyReferences
        return None

    def _keep(self, reference: Reference) -> None:
        if reference.name == b"HEAD":
            self._head = reference.object_id
        for prefix, kept in ((_BRANCH, self._branches), (_TAG, self._tags)):
            if reference.name.startswith(prefix):
                kept[reference.name.removeprefix(prefix).decode(errors="replace")] = reference.object_id
