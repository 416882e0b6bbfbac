"""Restores projects: uploads archives that are kept, and follows their imports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from services.cli.client import GitLabClient
from services.cli.crossdock_api import JobClient
from services.cli.errors import JobFailed, UsageError
from services.cli.fleet.importing import Imported, Importing, refuse_doubles
from services.cli.fleet.inspection import ArchiveInspection, read_archive
from services.cli.fleet.manifests import ManifestPlaces, content_digest, load_manifest
from services.cli.fleet.runner import Outcome, Run, State, run_each
from services.cli.fleet.screen import TaskReporter
from services.cli.formats import counted
from services.cli.known_keys import Trust
from services.cli.relations import both, describe, require_selecting
from shared.age.keys import Identities
from shared.archive.limits import Limits
from shared.catalogue.archives import ArchiveRecord, Catalogue
from shared.gitlab.relation_selection import RelationSelection
from shared.manifest.reader import ManifestReader
from shared.storage.base import ObjectStore


class RestoredOtherwise(JobFailed):
    """The server has made other content of an archive than its manifest says."""

    code = "restored_otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """How projects are restored, ``parallel`` at a time, each within a time, below the group ``into``.

    Of the full path of each, the first ``strip`` names are dropped; None: those of the group that was backed
    up. A project that is there is skipped unless it may be replaced (``overwrite``). ``relations`` is what is
    imported of each archive, None for all of it.
    """

    into: str
    parallel: int
    within: timedelta
    strip: int | None = None
    overwrite: bool = False
    relations: RelationSelection | None = None

    def target(self, record: ArchiveRecord) -> str:
        """Give the full path of the project that an archive becomes. Raises UsageError."""
        names = record.project.split("/")
        group = record.group.strip("/").split("/") if record.group else []
        strip = self.strip
        if strip is None:
            is_below = [each.lower() for each in names[: len(group)]] == [each.lower() for each in group]
            strip = len(group) if is_below else 0
        if strip >= len(names):
            raise UsageError(f"nothing is left of {record.project} without its first {strip} names")
        return "/".join((self.into.strip("/"), *names[strip:]))


def choose(
    catalogue: Catalogue, *, only: Sequence[str], at: datetime | None, source: str | None
) -> list[ArchiveRecord]:
    """Choose the newest archive of each project, not newer than ``at``: a whole one, where there is any.

    ``only`` are patterns of full paths, of which one has to match. Raises UsageError where there is none, or
    where they are of several servers and ``source`` does not say of which.
    """
    newest: dict[tuple[str, str], ArchiveRecord] = {}
    for record in catalogue:
        if (at is None or record.time <= at) and _is_wanted(record, only, source):
            known = newest.get((record.source, record.project))
            if known is None or known.selection is not None or record.selection is None:
                newest[record.source, record.project] = record
    chosen = list(newest.values())
    if not chosen:
        raise UsageError("no archive is like that")
    sources = sorted({record.source for record in chosen})
    if len(sources) > 1:
        raise UsageError(f"archives of several servers are kept: name one by --source: {', '.join(sources)}")
    return sorted(chosen, key=lambda record: record.project)


def _is_wanted(record: ArchiveRecord, only: Sequence[str], source: str | None) -> bool:
    if source is not None and record.source.rstrip("/") != source.rstrip("/"):
        return False
    return not only or any(fnmatchcase(record.project, pattern) for pattern in only)


class Restore:
    """Restores archives of one place into one server.

    ``trust`` says by whose keys manifests are verified; ``identities`` decrypt what is encrypted.
    """

    def __init__(
        self,
        client: GitLabClient,
        store: ObjectStore,
        options: RestoreOptions,
        *,
        trust: Trust,
        limits: Limits,
        identities: Identities = (),
    ) -> None:
        self._store = store
        self._trust = trust
        self._limits = limits
        self._identities = identities
        self._places = ManifestPlaces()
        self._options = options
        self._client = client
        self._is_crossdock = False
        self._importing = Importing(client, within=options.within, overwrite=options.overwrite)

    async def run(self, records: Iterable[ArchiveRecord], *, json: bool) -> Run:
        """Restore archives. What an earlier run has restored is skipped; what it has begun is followed.

        Raises SelectionUnsupported where there is a selection and the server is a GitLab.
        """
        await require_selecting(self._client, self._options.relations)
        chosen = list(records)
        if any(record.selection for record in chosen):
            self._is_crossdock = await self._client.is_crossdock()
        if not self._identities and any(record.encryption for record in chosen):
            raise UsageError("archives are encrypted: name the file of an --identity")
        refuse_doubles(map(self._options.target, chosen), instead="use --only or another --strip")
        return await run_each(
            chosen,
            self._restore,
            verb="Restoring",
            name=self._options.target,
            parallel=self._options.parallel,
            json=json,
        )

    async def _restore(self, record: ArchiveRecord, report: TaskReporter) -> Outcome:
        target = self._options.target(record)
        async with self._places.hold(self._store, record):
            imported = await self._import(record, target, report)
        if imported is None:
            return Outcome(project=target, state=State.SKIPPED, file=record.file, why="it is there")
        failed = len(imported.status.failed_relations)
        told = [
            *([f"{counted(failed, 'relation')} left out"] if failed else []),
            *imported.missed,
            *([describe(record.selection)] if record.selection else []),
        ]
        return Outcome(
            project=target,
            state=State.DONE,
            bytes=record.bytes if imported.sent else 0,
            file=record.file,
            why="; ".join(told) or None,
        )

    async def _import(self, record: ArchiveRecord, target: str, report: TaskReporter) -> Imported | None:
        most = self._limits.entries
        manifest = await load_manifest(self._store, record, self._trust, self._identities, most=most)
        imported = await self._importing.run(
            target,
            lambda: self._read(record, manifest, report),
            report,
            selection=self._selection(record),
        )
        if imported is not None:
            await self._compare(record, manifest, imported)
        return imported

    def _selection(self, record: ArchiveRecord) -> RelationSelection | None:
        """Give what is imported. What the archive is without by choice, a Crossdock does not miss then."""
        of_archive = record.selection if self._is_crossdock else None
        return both(self._options.relations, of_archive)

    async def _read(
        self, record: ArchiveRecord, manifest: ManifestReader | None, report: TaskReporter
    ) -> AsyncGenerator[bytes, None]:
        """Give the archive; its last piece only once all is known to be what was backed up.

        Raises ArchiveDamaged and ArchiveReplaced: the request breaks off then, and nothing is imported.
        """
        inspection, held, done = ArchiveInspection(record, manifest, limits=self._limits), b"", 0
        async with aclosing(read_archive(self._store, record, self._identities)) as pieces:
            async for piece in pieces:
                if held:
                    yield held
                await inspection.take(piece)
                held, done = piece, done + len(piece)
                report("uploading", done, record.bytes)
        inspection.end()
        yield held

    async def _compare(
        self, record: ArchiveRecord, manifest: ManifestReader | None, imported: Imported
    ) -> None:
        """Hold what a Crossdock has kept of an archive against its manifest. Raises RestoredOtherwise.

        Lines that were left out, by the import or by choice, make other content, and are told anyway.
        """
        if manifest is None or imported.job is None or imported.status.failed_relations:
            return
        if self._options.relations is not None:
            return
        kept = (await JobClient(self._client).find(imported.job)).content_sha256
        if kept is not None and kept != content_digest(manifest):
            raise RestoredOtherwise(
                f"what was imported is not what the manifest of {record.file} says: {kept} instead of "
                f"{content_digest(manifest)}"
            )
