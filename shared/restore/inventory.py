"""What an archive announces, and what came: LFS objects, uploads, repositories of snippets and designs."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote

from shared.gitlab.layout import FileKind, kind_of, lfs_oid_of, relation_of
from shared.gitlab.lfs import LfsIndex, digest_of
from shared.gitlab.references import UPLOAD_MARK, WITH_MARKDOWN, snippet_bundle, uploads_in
from shared.jobs.progress import PartProgress
from shared.restore import entries
from shared.restore.failures import Failure
from shared.restore.verifiers import Verifier

MOST_UPLOADS = 50_000
"""Different uploads to which texts refer, of up to 1 KiB of memory each; further ones are not looked for."""

MOST_SNIPPETS = 100_000
"""Snippets whose repositories are looked for, of some 200 bytes of memory each."""

MOST_TOLD = 1000
"""Missing uploads, and missing repositories of snippets, that are told one by one; the others are counted."""

_ANY_RECORD = b"{"

Place = tuple[str, int]
"""A relation, and the number of a line of it."""


@dataclass(slots=True)
class _Bound:
    """How many names may still be looked for, and whether there were more."""

    left: int
    is_partial: bool = False

    def keep(self, names: dict[str, int], name: str, number: int) -> None:
        """Keep a name with its line, where it is new and there is room."""
        if name in names:
            return
        if not self.left:
            self.is_partial = True
            return
        self.left -= 1
        names[name] = number


@dataclass(slots=True)
class _Announced:
    """What the records of one relation announce: names of files, with the line that does so first."""

    uploads: dict[str, int] = field(default_factory=dict)
    bundles: dict[str, int] = field(default_factory=dict)
    designs: bool = False


class RecordInspector:
    """Looks into the records of one relation for what they announce. May be called on a thread.

    Only records with the ``mark`` in their bytes announce files.
    """

    def __init__(self, relation: str, announced: _Announced, *, uploads: _Bound, snippets: _Bound) -> None:
        self._is_snippets = relation == "snippets"
        self._announced = announced
        self._uploads = uploads
        self._snippets = snippets
        self.mark = _ANY_RECORD if self._is_snippets else UPLOAD_MARK

    def take(self, record: bytes, number: int) -> None:
        """Look into a record, that of the line with this number."""
        for name in uploads_in(record):
            self._uploads.keep(self._announced.uploads, name, number)
        if self._is_snippets and (bundle := snippet_bundle(record)):
            self._snippets.keep(self._announced.bundles, bundle, number)

    def note_designs(self) -> None:
        """Take note that a record has designs."""
        self._announced.designs = True


class Inventory:
    """Takes note of the entries of an archive and of what its records announce, whichever comes first.

    Memory: 100 bytes for each LFS object, and for each repository of a snippet, that is there or named; 8
    bytes for each upload that is there; and what the limits above allow.
    """

    def __init__(self) -> None:
        self._of: dict[str, _Announced] = {}
        self._for_uploads, self._for_snippets = _Bound(MOST_UPLOADS), _Bound(MOST_SNIPPETS)
        self._open, self._object = "", b""
        self._index: LfsIndex | None = None
        self._objects: set[bytes] = set()
        self._objects_left_out: set[bytes] = set()
        self._uploads = array("q")  # hashes of names
        self._bundles: set[str] = set()
        self._has_designs = False

    def begin(self, name: str, verifier: Verifier) -> None:
        """Take note of an entry that begins."""
        self._open, self._object = name, digest_of(lfs_oid_of(name)) or b""
        self._index = entries.lfs_index_of(verifier) or self._index
        if self._object:
            self._objects.add(self._object)

    def end(self, *, is_left_out: bool) -> None:
        """Take note that the entry has come, or that it is left out, which was told."""
        kind = kind_of(self._open)
        if self._object and is_left_out:
            self._objects_left_out.add(self._object)
        elif is_left_out:
            return
        elif kind is FileKind.UPLOAD:
            self._uploads.append(hash(self._open))
        elif kind is FileKind.SNIPPET:
            self._bundles.add(self._open)
        elif kind is FileKind.DESIGN:
            self._has_designs = True

    def abandon(self) -> None:
        """Forget the open entry."""
        self._objects.discard(self._object)

    def withdraw(self, name: str) -> None:
        """Forget what the records of a file announce, in place of which another one comes."""
        if relation := relation_of(name):
            self._of.pop(relation, None)

    def inspector(self, relation: str) -> RecordInspector | None:
        """Give what looks into the records of a relation; None where these have no Markdown."""
        if relation not in WITH_MARKDOWN:
            return None
        announced = self._of.setdefault(relation, _Announced())
        return RecordInspector(relation, announced, uploads=self._for_uploads, snippets=self._for_snippets)

    def compare(self, *, but: Collection[str] = ()) -> Comparison:
        """Compare what is announced with what came, of all parts ``but`` those left out by choice."""
        parts = {
            "lfs_objects": self._lfs_objects,
            "uploads": self._compare_uploads,
            "snippets_repository": self._compare_snippets,
            "design_repository": self._compare_designs,
        }
        compared = {name: compare() for name, compare in parts.items() if name not in but}
        return Comparison({name: each for name, each in compared.items() if each.counts != PartProgress()})

    def _lfs_objects(self) -> ComparedPart:
        there = self._objects
        kept = there - self._objects_left_out
        if self._index is None or self._index.named is None:
            return ComparedPart(PartProgress(came=len(kept)))
        named = self._index.named
        counts = PartProgress(
            announced=len(named), came=len(kept), missing=len(named - kept), unannounced=len(kept - named)
        )
        return ComparedPart(counts, entries.lfs_differences(self._index, there, kept=kept))

    def _compare_uploads(self) -> ComparedPart:
        places = _places({name: each.uploads for name, each in self._of.items()})
        wanted = {hash(name): name for name in places}
        wanted |= {hash(unquote(name)): name for name in places if "%" in name}
        found = {wanted[each] for each in self._uploads if each in wanted}
        missing = {name: place for name, place in places.items() if name not in found}
        counts = PartProgress(
            announced=len(places), came=len(self._uploads), missing=len(missing),
            unannounced=len(self._uploads) - len(found), is_partial=self._for_uploads.is_partial,
        )  # fmt: skip
        return ComparedPart(counts, _told(missing, "uploads"))

    def _compare_snippets(self) -> ComparedPart:
        places = _places({name: each.bundles for name, each in self._of.items()})
        missing = {name: place for name, place in places.items() if name not in self._bundles}
        counts = PartProgress(
            announced=len(places), came=len(self._bundles), missing=len(missing),
            unannounced=len(self._bundles - places.keys()), is_partial=self._for_snippets.is_partial,
        )  # fmt: skip
        return ComparedPart(counts, _told(missing, "snippets"))

    def _compare_designs(self) -> ComparedPart:
        announced = any(each.designs for each in self._of.values())
        is_missing = announced and not self._has_designs
        counts = PartProgress(
            announced=int(announced), came=int(self._has_designs), missing=int(is_missing),
            unannounced=int(self._has_designs and not announced),
        )  # fmt: skip
        return ComparedPart(counts, [entries.missing_design_failure()] if is_missing else ())


@dataclass(frozen=True, slots=True)
class ComparedPart:
    """The counts of a part of an archive, and what is told of it."""

    counts: PartProgress
    failures: Iterable[Failure] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The parts that an archive has or announces."""

    parts: Mapping[str, ComparedPart]

    @property
    def counts(self) -> dict[str, PartProgress]:
        """The counts by part."""
        return {name: each.counts for name, each in self.parts.items()}

    def failures(self) -> Iterator[Failure]:
        """Give a failure for each difference; of many that are alike one for all but the first 1000."""
        for each in self.parts.values():
            yield from each.failures


def _places(names: Mapping[str, Mapping[str, int]]) -> dict[str, Place]:
    """Give where each name stands first: in which relation, and in which line."""
    return {name: (relation, line) for relation, of in names.items() for name, line in of.items()}


def _told(missing: Mapping[str, Place], relation: str) -> Iterator[Failure]:
    for name, place in islice(missing.items(), MOST_TOLD):
        yield entries.missing_file_failure(name, place, relation=relation)
    if len(missing) > MOST_TOLD:
        yield entries.missing_files_failure(len(missing) - MOST_TOLD, relation=relation)
