"""Pushes an unpacked archive into a project, by several requests at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import msgspec

from services.cli.client import RelationFailure
from services.cli.errors import CommandError, JobFailed, RefusedByServer, attach_document
from services.cli.formats import counted
from services.cli.results import list_failures
from services.cli.small_files import group_files
from services.cli.snapshots import EntryAnswer, Receipt, SnapshotAnswer, SnapshotClient
from services.cli.terminal import ByteReporter, print_result, say, show_transfer
from services.cli.tree import TreeFile, tree_files

_MOST_LISTED = 100
_DIRECTORY = "directory"
_NO_ROUTE = (404, 405)
"""The answers of an older server to an archive of files."""
_TOO_MUCH = (413, 422)
"""Answers to an archive that may be due to a single file, or to all of them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """Options of a push: ``parallel`` requests at a time; ``strict`` fails for single lines."""

    from_current: bool = False
    force: bool = False
    strict: bool = False
    parallel: int = 4


@dataclass(slots=True)
class _Failures:
    """Counts the lines that the server left out, and keeps the first hundred."""

    count: int = 0
    first: list[RelationFailure] = field(default_factory=list)

    def add(self, sent: Receipt) -> None:
        self.count += sent.failed_lines
        self.first += sent.relation_failures()[: _MOST_LISTED - len(self.first)]

    def pushed(self, snapshot: SnapshotAnswer | None, *, error: CommandError | None = None) -> PushResult:
        """Return the document of a push."""
        return PushResult(
            snapshot=snapshot,
            error=str(error) if error else None,
            error_code=error.error_code if error else None,
            failure_count=self.count,
            failed_relations=self.first,
        )


class PushResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock push``: the committed snapshot, and the number of lines that were left out.

    ``snapshot`` is null if nothing was committed.
    """

    snapshot: SnapshotAnswer | None
    error: str | None = None
    error_code: str | None = None
    failure_count: int
    failed_relations: Sequence[RelationFailure]

    def show(self) -> None:
        """See Result."""
        if self.snapshot is None:
            return
        entries = counted(self.snapshot.entries, "entry", "entries")
        print_result(f"snapshot {self.snapshot.id}: {self.snapshot.state}, {entries}")


async def push(client: SnapshotClient, folder: Path, options: PushOptions) -> PushResult:
    """Send the files of ``folder`` and commit them. If that fails, the open snapshot is discarded."""
    files = await asyncio.to_thread(tree_files, folder)
    snapshot = await client.open(from_current=options.from_current)
    try:
        return await _fill(client, snapshot.id, files, options)
    except BaseException:
        await _discard(client, snapshot.id)
        raise


async def _fill(
    client: SnapshotClient, snapshot: int, files: Sequence[TreeFile], options: PushOptions
) -> PushResult:
    if options.from_current:
        files = await _apply_differences(client, snapshot, files)
    failures = _Failures()
    with attach_document(lambda error: failures.pushed(None, error=error)):
        await _send(client, snapshot, files, failures, parallel=options.parallel)
        list_failures(failures.first)
        if failures.count:
            one, more = "line is left out, as it is no record", "lines are left out, as they are no records"
            say(counted(failures.count, one, more))
        if failures.count and options.strict:
            raise JobFailed("nothing was committed, as lines would be left out")
        return failures.pushed(await client.commit(snapshot, force=options.force))


async def _discard(client: SnapshotClient, snapshot: int) -> None:
    try:
        await client.discard(snapshot)
    except CommandError as error:
        say(f"Snapshot {snapshot} was not thrown away: {error}")


async def _apply_differences(
    client: SnapshotClient, snapshot: int, files: Sequence[TreeFile]
) -> Sequence[TreeFile]:
    """Remove from the snapshot the files that the tree does not have; return those that differ or are new."""
    there = {each.name: each for each in await client.entries(snapshot) if each.kind != _DIRECTORY}
    gone = there.keys() - {file.name for file in files}
    for name in sorted(gone):
        await client.remove(snapshot, name)
    different = await asyncio.to_thread(lambda: list(_different(files, there)))
    all_ = counted(len(files), "file")
    differ = counted(len(different), f"of {all_} differs", f"of {all_} differ")
    say(f"{differ}, {counted(len(gone), 'is', 'are')} gone")
    return different


def _different(files: Iterable[TreeFile], there: dict[str, EntryAnswer]) -> Iterator[TreeFile]:
    for file in files:
        known = there.get(file.name)
        if known is None or known.sha256 != file.sha256():
            yield file


async def _send(
    client: SnapshotClient, snapshot: int, files: Sequence[TreeFile], failures: _Failures, *, parallel: int
) -> None:
    """Send the files by ``parallel`` requests at a time, and count the lines left out.

    The first error ends it.
    """
    waiting = group_files(files)
    with show_transfer("Sending") as report:
        sender = _Sender(client, snapshot, _Counter(report, sum(file.size for file in files)))

        async def send() -> None:
            for group in waiting:
                async for sent in sender.send(group):
                    failures.add(sent)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(parallel):
                    tasks.create_task(send())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


class _Sender:
    """Sends groups of files: by one request each, or file by file where the server does not take that."""

    def __init__(self, client: SnapshotClient, snapshot: int, count: _Counter) -> None:
        self._client = client
        self._snapshot = snapshot
        self._count = count
        self._takes_archives = True

    async def send(self, files: Sequence[TreeFile]) -> AsyncIterator[Receipt]:
        """Yield the answers to the files. What makes an archive unusable is found file by file, and named."""
        if len(files) > 1 and self._takes_archives and (sent := await self._send_together(files)):
            yield sent
            return
        for file in files:
            yield await self._client.put(self._snapshot, file, self._count)

    async def _send_together(self, files: Sequence[TreeFile]) -> Receipt | None:
        try:
            return await self._client.put_together(self._snapshot, files, self._count)
        except RefusedByServer as error:
            if error.status not in (*_NO_ROUTE, *_TOO_MUCH):
                raise
            self._takes_archives = error.status not in _NO_ROUTE
            say(f"Sending {len(files)} files one by one: {error}")
            return None


class _Counter:
    """Adds up the bytes read, on any thread, and reports the sum."""

    def __init__(self, report: ByteReporter, total: int) -> None:
        self._report = report
        self._total = total
        self._done = 0
        self._lock = Lock()

    def __call__(self, size: int) -> None:
        with self._lock:
            self._done += size
            self._report(self._done, self._total)
