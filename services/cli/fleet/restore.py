"""Restores projects: uploads archives that are kept, and follows their imports."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from services.cli.archive_check import DownloadCorrupted
from services.cli.client import GitLabClient, ImportRequest, ImportStatusAnswer
from services.cli.errors import RefusedByServer, UsageError
from services.cli.fleet.catalogue import ArchiveRecord, Catalogue
from services.cli.fleet.groups import Groups
from services.cli.fleet.runner import Outcome, RunReport, State, run_each
from services.cli.fleet.screen import TaskReporter, show_many
from services.cli.polling import import_states, limit_wait
from shared.storage.base import ObjectStore

_NOT_FOUND = 404
_UNDER_WAY = frozenset({"scheduled", "started"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """How projects are restored, ``parallel`` at a time, each within a time, below the group ``into``.

    Of the full path of each, the first ``strip`` names are dropped; None: those of the group that was backed
    up. A project that is there is skipped unless it may be replaced (``overwrite``).
    """

    into: str
    parallel: int
    within: timedelta
    strip: int | None = None
    overwrite: bool = False

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
    """Choose the newest archive of each project, not newer than ``at``.

    ``only`` are patterns of full paths, of which one has to match. Raises UsageError where there is none, or
    where they are of several servers and ``source`` does not say of which.
    """
    groups = catalogue.by_project().values()
    fitting = ([each for each in group if at is None or each.time <= at] for group in groups)
    chosen = [group[-1] for group in fitting if group and _is_wanted(group[-1], only, source)]
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
    """Restores archives of one place into one server."""

    def __init__(self, client: GitLabClient, store: ObjectStore, options: RestoreOptions) -> None:
        self._client = client
        self._store = store
        self._options = options
        self._groups = Groups(client)

    async def run(self, records: Iterable[ArchiveRecord], *, json: bool) -> RunReport:
        """Restore archives. What an earlier run has restored is skipped; what it has begun is followed."""
        chosen = list(records)
        targets = [self._options.target(record) for record in chosen]
        twice = {target for target in targets if targets.count(target) > 1}
        if twice:
            raise UsageError(f"several projects would become {min(twice)}: use --only or another --strip")
        with show_many("Restoring", len(chosen)) as screen:
            return await run_each(
                chosen,
                self._restore,
                name=self._options.target,
                parallel=self._options.parallel,
                screen=screen,
                json=json,
            )

    async def _restore(self, record: ArchiveRecord, report: TaskReporter) -> Outcome:
        target = self._options.target(record)
        present = await self._find(target)
        if present is not None and present.import_status in _UNDER_WAY:
            return _done(target, record, await self._follow(present, report), sent=0)
        may_replace = self._options.overwrite or (present is not None and _has_failed(present))
        if present is not None and not may_replace:
            return Outcome(project=target, state=State.SKIPPED, file=record.file, why="it is there")
        await self._groups.ensure(target.rpartition("/")[0])
        request = ImportRequest.to(target, name=None, overwrite=present is not None, overrides={})
        scheduled = await self._client.import_again(lambda: self._read(record, report), request)
        status = await self._follow(scheduled.status, report, job=scheduled.job)
        return _done(target, record, status, sent=record.bytes)

    async def _find(self, target: str) -> ImportStatusAnswer | None:
        try:
            return await self._client.import_status(target)
        except RefusedByServer as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    async def _read(self, record: ArchiveRecord, report: TaskReporter) -> AsyncGenerator[bytes, None]:
        """Give the archive; its last piece only once the digest of all is right. Raises DownloadCorrupted."""
        digest, held, done = hashlib.sha256(), b"", 0
        async with aclosing(self._store.read(record.file)) as pieces:
            async for piece in pieces:
                if held:
                    yield held
                digest.update(piece)
                held, done = piece, done + len(piece)
                report("uploading", done, record.bytes)
        if digest.hexdigest() != record.sha256:
            raise DownloadCorrupted(f"{record.file} is damaged: its SHA-256 is {digest.hexdigest()}")
        yield held

    async def _follow(
        self, status: ImportStatusAnswer, report: TaskReporter, *, job: int | None = None
    ) -> ImportStatusAnswer:
        newest = status
        async with limit_wait(self._options.within, f"the import of {status.path_with_namespace}"):
            async for newest in import_states(self._client, status.id, job):
                report(newest.import_status, 0, None)
        return newest


def _has_failed(status: ImportStatusAnswer) -> bool:
    return status.import_status in {"failed", "canceled"}


def _done(target: str, record: ArchiveRecord, status: ImportStatusAnswer, *, sent: int) -> Outcome:
    failed = len(status.failed_relations)
    why = f"{failed} relations left out" if failed else None
    return Outcome(project=target, state=State.DONE, bytes=sent, file=record.file, why=why)
