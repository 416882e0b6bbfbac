"""Compares the files of an archive with those of a manifest, while the archive is read."""

from __future__ import annotations

import hashlib

from services.cli.manifest_source import ManifestSource
from services.cli.results import MOST_LISTED, ManifestComparison, NameList
from shared.archive.events import (
    ArchiveEnded,
    ArchiveEvent,
    EntryData,
    EntryEnded,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.manifest.format import ManifestFile
from shared.manifest.reader import ManifestReader


class ArchiveComparison:
    """Takes the events of one archive, as its bytes are, whether an import would keep them or not.

    ``signed`` says that the manifest's signature was verified.
    """

    def __init__(self, manifest: ManifestReader, *, signed: bool) -> None:
        self._manifest = manifest
        self._signed = signed
        self._missing: dict[str, ManifestFile] = dict(manifest.files)
        self._extra: dict[str, None] = {}
        self._differing: dict[str, None] = {}
        self._is_complete = False
        self._name: str | None = None
        self._size = 0
        self._digest = hashlib.sha256()

    def take(self, event: ArchiveEvent) -> None:
        """Take the next event."""
        match event:
            case EntryStarted(kind=TarEntryKind.FILE):
                self._name, self._size, self._digest = event.name, event.size, hashlib.sha256()
            case EntryData(data) if self._name is not None:
                self._digest.update(data)
            case EntryEnded() if self._name is not None:
                self._compare(self._name)
                self._name = None
            case EntryWithdrawn(name):
                self._take_back(name)
            case ArchiveEnded():
                self._is_complete = True

    def _compare(self, name: str) -> None:
        expected = self._missing.pop(name, None)
        if expected is None:
            self._extra[name] = None
        elif (expected.size, expected.sha256) != (self._size, self._digest.hexdigest()):
            self._differing[name] = None

    def _take_back(self, name: str) -> None:
        self._extra.pop(name, None)
        self._differing.pop(name, None)
        if name in self._manifest.files:
            self._missing[name] = self._manifest.files[name]

    @property
    def result(self) -> ManifestComparison | None:
        """What was found; None before the archive was read to its end."""
        if not self._is_complete:
            return None
        return ManifestComparison(
            sha256=self._manifest.digest.hex(),
            signed=self._signed,
            missing=_listed(list(self._missing)),
            extra=_listed(list(self._extra)),
            differing=_listed(list(self._differing)),
        )


def _listed(names: list[str]) -> NameList:
    return NameList(count=len(names), names=names[:MOST_LISTED])


async def load_comparison(source: ManifestSource, *, most: int) -> ArchiveComparison:
    """Load the manifest to compare with. Raises what ``ManifestSource.load`` raises."""
    return ArchiveComparison(await source.load(most=most), signed=source.public_key is not None)
