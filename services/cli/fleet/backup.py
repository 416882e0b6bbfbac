"""Backs projects up: exports them, and streams their archives to where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from services.cli.age_keys import EncryptFor
from services.cli.client import GitLabClient
from services.cli.download import ArchiveDownload
from services.cli.fleet.exporting import export
from services.cli.fleet.manifests import KeptManifest, keep_manifest
from services.cli.fleet.runner import Outcome, Run, State, run_each
from services.cli.fleet.screen import TaskReporter
from services.cli.fleet.selection import ProjectAnswer, ProjectFinder, Selection
from services.cli.known_keys import Trust, meet_server
from services.cli.relations import require_selecting
from shared.age.keys import Recipients
from shared.catalogue.archives import (
    ArchiveRecord,
    Catalogue,
    Encryption,
    Series,
    archive_key,
    read_catalogue,
    write_catalogue,
    write_record,
    write_run,
)
from shared.catalogue.objects import KeptWriter, Stored, create_object
from shared.gitlab.relation_selection import RelationSelection
from shared.storage.base import ObjectStore

_A_SECOND = timedelta(seconds=1)
_SETTLED = timedelta(hours=1)
"""How long a GitLab may tell of no further activity: it writes the time once an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions:
    """How projects are backed up, ``parallel`` at a time; each export may take the time ``within``.

    Without ``force`` those that have not changed are skipped, unless their archive is older than ``max_age``.
    ``relations`` is what is exported of each, None for all of it. What is kept is encrypted ``encrypt_for``
    recipients, if there are any; what was kept for others has to be made anew.
    """

    parallel: int
    within: timedelta
    force: bool = False
    max_age: timedelta | None = None
    relations: RelationSelection | None = None
    encrypt_for: EncryptFor = field(default_factory=EncryptFor)


class StoreSink:
    """ArchiveSink that writes an object, which is there once it is committed. Use it as ``async with``."""

    def __init__(self, store: ObjectStore, key: str, recipients: Recipients) -> None:
        self._store = store
        self._key = key
        self._recipients = recipients
        self._resources = AsyncExitStack()
        self._writer: KeptWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._resources.aclose()

    async def write(self, data: bytes) -> None:
        """See ArchiveSink."""
        await (await self._open()).write(data)

    async def start_over(self) -> None:
        """See ArchiveSink."""
        await self._resources.aclose()
        self._writer = None

    async def end(self) -> None:
        """See ArchiveSink."""

    async def commit(self) -> Stored:
        """Make the object visible, and give what is stored."""
        return await (await self._open()).commit()

    async def _open(self) -> KeptWriter:
        if self._writer is None:
            opened = create_object(self._store, self._key, self._recipients)
            self._writer = await self._resources.enter_async_context(opened)
        return self._writer


class Backup:
    """Backs the projects of one server up into one place."""

    def __init__(
        self, client: GitLabClient, store: ObjectStore, options: BackupOptions, *, group: str | None
    ) -> None:
        self._client = client
        self._store = store
        self._options = options
        self._group = group
        self._source = client.api.removesuffix("/api/v4")
        self._catalogue = Catalogue([])
        self._newest: dict[Series, ArchiveRecord] = {}
        self._is_crossdock = False
        self._keys: bytes | None = None

    async def run(self, selection: Selection, *, json: bool) -> Run:
        """Back the selected projects up. Raises CommandError where that cannot begin.

        The catalogue is written also where the run is cut off: what is recorded is not done again.
        """
        started = datetime.now(UTC)
        await require_selecting(self._client, self._options.relations)
        self._is_crossdock = await self._client.is_crossdock()
        if self._is_crossdock:
            self._keys = await meet_server(self._client, self._source, now=started)
        projects = [project async for project in ProjectFinder(self._client).find(selection)]
        self._catalogue = await read_catalogue(self._store)
        self._newest = {key: records[-1] for key, records in self._catalogue.by_project().items()}
        try:
            run = await self._each(projects, json=json)
        finally:
            await write_catalogue(self._store, self._catalogue)
        await write_run(self._store, started, run.report)
        return run

    async def _each(self, projects: Sequence[ProjectAnswer], *, json: bool) -> Run:
        return await run_each(
            projects,
            self._back_up,
            verb="Backing up",
            name=lambda project: project.path_with_namespace,
            parallel=self._options.parallel,
            json=json,
        )

    async def _back_up(self, project: ProjectAnswer, report: TaskReporter) -> Outcome:
        path = project.path_with_namespace
        time = self._free_time(path)
        last = self._newest.get((self._source, path, self._options.relations))
        if last is not None and not self._options.force and self._is_current(last, project, time):
            return Outcome(project=path, state=State.SKIPPED, file=last.file, why="unchanged")
        options = self._options
        missed = await export(
            self._client, project, report, within=options.within, selection=options.relations
        )
        record = await self._fetch(project, time, report)
        await write_record(self._store, record)
        self._catalogue.add(record)
        why = "; ".join(missed) or None
        return Outcome(project=path, state=State.DONE, file=record.file, bytes=record.bytes, why=why)

    def _free_time(self, path: str) -> datetime:
        """Give the time of a new archive: the next second that no archive of the project has in its name."""
        time = datetime.now(UTC)
        while self._catalogue.has_time(self._source, path, time):
            time += _A_SECOND
        return time

    def _is_current(self, last: ArchiveRecord, project: ProjectAnswer, now: datetime) -> bool:
        """Tell whether the last archive has all that there is, as far as the server tells."""
        changed = project.last_activity_at
        if changed is None or last.project_id != project.id or last.last_activity_at != changed:
            return False
        if last.recipients != self._options.encrypt_for.names:
            return False
        is_settled = self._is_crossdock or last.time >= changed + _SETTLED
        too_old = self._options.max_age is not None and now - last.time > self._options.max_age
        return is_settled and not too_old

    async def _fetch(self, project: ProjectAnswer, time: datetime, report: TaskReporter) -> ArchiveRecord:
        recipients = self._options.encrypt_for.recipients
        key = archive_key(self._source, project.path_with_namespace, time, is_encrypted=bool(recipients))
        async with StoreSink(self._store, key, recipients) as sink:
            download = ArchiveDownload(sink)
            sha256 = await download.run(
                self._client, project.id, lambda done, total: report("downloading", done, total)
            )
            stored = await sink.commit()
        manifest = await self._keep_manifest(project, key, time)
        return ArchiveRecord(
            source=self._source,
            project_id=project.id,
            project=project.path_with_namespace,
            group=self._group,
            time=time,
            last_activity_at=project.last_activity_at,
            file=key,
            bytes=download.done,
            sha256=sha256,
            manifest=manifest.sha256.hex() if manifest else None,
            signature=manifest.signature.hex() if manifest and manifest.signature else None,
            selection=self._options.relations,
            encryption=self._encryption(stored, manifest),
        )

    def _encryption(self, stored: Stored, manifest: KeptManifest | None) -> Encryption | None:
        names = self._options.encrypt_for.names
        if not names:
            return None
        return Encryption(
            recipients=names,
            bytes=stored.bytes,
            sha256=stored.sha256,
            manifest=manifest.stored.sha256 if manifest else None,
        )

    async def _keep_manifest(self, project: ProjectAnswer, key: str, time: datetime) -> KeptManifest | None:
        """Keep the manifest of a Crossdock's archive. Raises SignatureWrong, as ``check`` would."""
        if not self._is_crossdock:
            return None
        recipients = self._options.encrypt_for.recipients
        kept = await keep_manifest(self._client, project.id, self._store, key, recipients)
        Trust(self._keys).verify(self._source, time=time, manifest=kept.sha256, signature=kept.signature)
        return kept
