"""Holds what is kept against its records: sizes always, bytes where that is asked for."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from contextlib import aclosing

from services.cli.fleet.inspection import ArchiveDamaged, ArchiveInspection, read_archive
from services.cli.fleet.manifests import ManifestPlaces, check_manifest, load_manifest
from services.cli.fleet.runner import Outcome, Run, State, run_each
from services.cli.fleet.screen import TaskReporter
from services.cli.formats import counted
from services.cli.known_keys import Trust
from services.cli.terminal import say
from shared.age.keys import Identities
from shared.archive.limits import Limits
from shared.catalogue.archives import ArchiveRecord, Catalogue
from shared.shielding import work_through
from shared.storage.base import ObjectStore

_PARALLEL = 4


class Check:
    """Checks the archives of one place; a ``share`` of them, 0 to 1, are read, at random.

    ``trust`` says by whose keys manifests are verified. Of what is encrypted, only what is stored is checked
    without ``identities``.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        share: float,
        trust: Trust,
        limits: Limits,
        identities: Identities = (),
    ) -> None:
        self._store = store
        self._share = share
        self._trust = trust
        self._limits = limits
        self._identities = identities
        self._places = ManifestPlaces()

    async def run(self, catalogue: Catalogue, *, json: bool) -> Run:
        """Check what is kept. Archives without a record are told, and are no failure: they do not count."""
        records = [*catalogue]
        read = _some(records, self._share)
        for file in catalogue.unrecorded:
            say(f"{file}: without a record, of a run that was ended or is running")
        for source in sorted({each.source for each in records if each.signature}):
            if not self._trust.knows(source):
                say(f"No public key of {source} is known: signatures of its manifests are not verified")

        if not self._identities and (count := sum(each.encryption is not None for each in records)):
            those = counted(count, "archive is", "archives are")
            say(f"{those} encrypted: without --identity only what is stored of them is checked")

        async def check(record: ArchiveRecord, report: TaskReporter) -> Outcome:
            return await self._check(record, report, read=record.file in read)

        return await run_each(
            records, check, verb="Checking", name=lambda record: record.file, parallel=_PARALLEL, json=json
        )

    async def _check(self, record: ArchiveRecord, report: TaskReporter, *, read: bool) -> Outcome:
        size = (await self._store.stat(record.file)).size
        if size != record.stored.bytes:
            raise ArchiveDamaged(f"it is damaged: it has {size} bytes instead of {record.stored.bytes}")
        if not read:
            await check_manifest(self._store, record, self._trust, self._identities)
            return Outcome(project=record.file, state=State.DONE)
        if record.encryption is not None and not self._identities:
            await check_manifest(self._store, record, self._trust)
            await self._read_stored(record, report)
        else:
            async with self._places.hold(self._store, record):
                await self._read(record, report)
        return Outcome(project=record.file, state=State.DONE, bytes=record.bytes)

    async def _read(self, record: ArchiveRecord, report: TaskReporter) -> None:
        """Read an archive, and hold it against its record and its manifest."""
        most = self._limits.entries
        manifest = await load_manifest(self._store, record, self._trust, self._identities, most=most)
        inspection, done = ArchiveInspection(record, manifest, limits=self._limits), 0
        async with aclosing(read_archive(self._store, record, self._identities)) as pieces:
            async for piece in pieces:
                await inspection.take(piece)
                done += len(piece)
                report("reading", done, record.bytes)
        inspection.end()

    async def _read_stored(self, record: ArchiveRecord, report: TaskReporter) -> None:
        """Hold the bytes of what is encrypted against its record."""
        digest, done = hashlib.sha256(), 0
        async with aclosing(self._store.read(record.file)) as pieces:
            async for piece in pieces:
                await work_through(piece, digest.update)
                done += len(piece)
                report("reading", done, record.stored.bytes)
        if digest.hexdigest() != record.stored.sha256:
            raise ArchiveDamaged(
                f"it is damaged: the SHA-256 of what is stored is {digest.hexdigest()} instead of "
                f"{record.stored.sha256}"
            )


def _some(records: Sequence[ArchiveRecord], share: float) -> set[str]:
    """Choose archives at random, and at least one where any share is asked for."""
    count = min(len(records), max(1, round(len(records) * share))) if share else 0
    return {record.file for record in random.sample(records, count)}
