"""The command that brings an unpacked archive into a project, several files at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import msgspec

from services.cli.client import RelationFailure
from services.cli.errors import CommandError, JobFailed, attach_document
from services.cli.results import list_failures
from services.cli.snapshots import EntryAnswer, FileReceipt, SnapshotAnswer, SnapshotClient
from services.cli.terminal import ByteReporter, print_result, say, show_transfer
from services.cli.tree import TreeFile, tree_files

_MOST_TOLD = 100
_DIRECTORY = "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """How to push: ``parallel`` files at a time; ``strict`` is not to commit where lines are left out."""

    from_current: bool = False
    force: bool = False
    strict: bool = False
    parallel: int = 4


@dataclass(slots=True)
class _Failures:
    """Lines that were left out: all counted, the first hundred kept."""

    count: int = 0
    first: list[RelationFailure] = field(default_factory=list)

    def add(self, sent: FileReceipt) -> None:
        self.count += sent.failed_lines
        relation = Path(sent.name).stem
        self.first += [each.of(relation) for each in sent.failures[: _MOST_TOLD - len(self.first)]]

    def pushed(self, snapshot: SnapshotAnswer | None, *, error: CommandError | None = None) -> PushResult:
        """Give the document of a push."""
        return PushResult(
            snapshot=snapshot,
            error=str(error) if error else None,
            error_code=error.error_code if error else None,
            failure_count=self.count,
            failed_relations=self.first,
        )


class PushResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock push``: the snapshot that the project has now, and how many lines were left out.

    ``snapshot`` is null where nothing was committed.
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
        print_result(f"snapshot {self.snapshot.id}: {self.snapshot.state}, {self.snapshot.entries} entries")


async def push(client: SnapshotClient, folder: Path, options: PushOptions) -> PushResult:
    """Send the tree and commit it. What was sent is thrown away where that fails."""
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
        files = await _what_differs(client, snapshot, files)
    failures = _Failures()
    with attach_document(lambda error: failures.pushed(None, error=error)):
        await _send(client, snapshot, files, failures, parallel=options.parallel)
        list_failures(failures.first)
        if failures.count:
            say(f"{failures.count} lines are left out, as they are no records")
        if failures.count and options.strict:
            raise JobFailed("nothing was committed, as lines would be left out")
        return failures.pushed(await client.commit(snapshot, force=options.force))


async def _discard(client: SnapshotClient, snapshot: int) -> None:
    try:
        await client.discard(snapshot)
    except CommandError as error:
        say(f"Snapshot {snapshot} was not thrown away: {error}")


async def _what_differs(
    client: SnapshotClient, snapshot: int, files: Sequence[TreeFile]
) -> Sequence[TreeFile]:
    """Take out what the tree does not have, and give what is not there as it is in the tree."""
    there = {each.name: each for each in await client.entries(snapshot) if each.kind != _DIRECTORY}
    gone = there.keys() - {file.name for file in files}
    for name in sorted(gone):
        await client.remove(snapshot, name)
    different = await asyncio.to_thread(lambda: list(_different(files, there)))
    say(f"{len(different)} of {len(files)} files differ, {len(gone)} are gone")
    return different


def _different(files: Iterable[TreeFile], there: dict[str, EntryAnswer]) -> Iterator[TreeFile]:
    for file in files:
        known = there.get(file.name)
        if known is None or known.sha256 != file.sha256():
            yield file


async def _send(
    client: SnapshotClient, snapshot: int, files: Sequence[TreeFile], failures: _Failures, *, parallel: int
) -> None:
    """Send the files, ``parallel`` at a time, and add up what is left out; the first error ends it."""
    waiting = iter(files)
    with show_transfer("Sending") as report:
        count = _Counter(report, sum(file.size for file in files))

        async def send() -> None:
            for file in waiting:
                failures.add(await client.put(snapshot, file, count))

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(parallel):
                    tasks.create_task(send())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


class _Counter:
    """Adds up what was read, on any thread, and reports it."""

    def __init__(self, report: ByteReporter, total: int) -> None:
        self._report = report
        self._total = total
        self._done = 0
        self._lock = Lock()

    def __call__(self, size: int) -> None:
        with self._lock:
            self._done += size
            self._report(self._done, self._total)
