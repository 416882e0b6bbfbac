"""Holds what is kept against its records: sizes always, bytes where that is asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import aclosing

from services.cli.archive_check import ArchiveCheck, DownloadCorrupted
from services.cli.fleet.manifests import check_manifest
from services.cli.fleet.runner import Outcome, Run, State, run_each
from services.cli.fleet.screen import TaskReporter
from services.cli.terminal import say
from shared.catalogue.archives import ArchiveRecord, Catalogue
from shared.storage.base import ObjectStore

_PARALLEL = 4


class Check:
    """Checks the archives of one place; a ``share`` of them, 0 to 1, are read, at random."""

    def __init__(self, store: ObjectStore, *, share: float) -> None:
        self._store = store
        self._share = share

    async def run(self, catalogue: Catalogue, *, json: bool) -> Run:
        """Check what is kept. Archives without a record are told, and are no failure: they do not count."""
        records = [*catalogue]
        read = _some(records, self._share)
        for file in catalogue.unrecorded:
            say(f"{file}: without a record, of a run that was ended or is running")

        async def check(record: ArchiveRecord, report: TaskReporter) -> Outcome:
            return await self._check(record, report, read=record.file in read)

        return await run_each(
            records, check, verb="Checking", name=lambda record: record.file, parallel=_PARALLEL, json=json
        )

    async def _check(self, record: ArchiveRecord, report: TaskReporter, *, read: bool) -> Outcome:
        size = (await self._store.stat(record.file)).size
        if size != record.bytes:
            raise DownloadCorrupted(f"it has {size} bytes instead of {record.bytes}")
        await check_manifest(self._store, record)
        if read:
            await self._read(record, report)
        return Outcome(project=record.file, state=State.DONE, bytes=record.bytes if read else 0)

    async def _read(self, record: ArchiveRecord, report: TaskReporter) -> None:
        """Read an archive: by its digest, and by gzip's own checksum."""
        found, done = ArchiveCheck(), 0
        async with aclosing(self._store.read(record.file)) as pieces:
            async for piece in pieces:
                found.take(piece)
                done += len(piece)
                report("reading", done, record.bytes)
        found.end()
        if found.sha256.hex() != record.sha256:
            raise DownloadCorrupted(f"its SHA-256 is {found.sha256.hex()} instead of {record.sha256}")


def _some(records: Sequence[ArchiveRecord], share: float) -> set[str]:
    """Choose archives at random, and at least one where any share is asked for."""
    count = min(len(records), max(1, round(len(records) * share))) if share else 0
    return {record.file for record in random.sample(records, count)}
