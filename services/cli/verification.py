"""Verifies an archive: reads it as an import does, but stores nothing."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from services.cli.archive_source import find_size, read_stream
from services.cli.client import RelationFailure
from services.cli.crossdock_api import PartCounts, RelationCounts
from services.cli.errors import JobFailed, utf8
from services.cli.formats import counted, explained
from services.cli.gitlab_shape import ShapeInspection
from services.cli.manifest_comparison import ArchiveComparison
from services.cli.results import MOST_LISTED, BlobSummary, VerificationResult, list_failures
from services.cli.terminal import ByteReporter, show_transfer
from shared.archive.budget import Budget
from shared.archive.limits import Limits
from shared.errors import ArchiveError
from shared.jobs.progress import Progress
from shared.restore.archive_events import archive_events
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, LimitedFailures, is_of_lines
from shared.restore.restorer import Restorer
from shared.snapshots.quarantine import QuarantinedLine


class ManifestMismatch(JobFailed):
    """The archive does not have the files of the manifest, or has others."""

    code = "manifest_mismatch"

    def __init__(self, archive: Path, seen: _ArchiveInspector) -> None:
        super().__init__(f"{archive} is not what the manifest says")
        self.document: VerificationResult = seen.verified(error=self)


class ShapeMismatch(JobFailed):
    """The records of the archive are not as GitLab writes them."""

    code = "shape_mismatch"

    def __init__(self, archive: Path, seen: _ArchiveInspector) -> None:
        super().__init__(f"{archive} is not as GitLab writes archives")
        self.document: VerificationResult = seen.verified(error=self)


class ImportWouldFail(JobFailed):
    """An import of the archive would fail, or would leave lines out in strict mode.

    ``code`` is the code of the archive's error, if it has one.
    """

    code = "import_would_fail"

    def __init__(self, sentence: str, seen: _ArchiveInspector, *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code or self.code
        self.document: VerificationResult = seen.verified(error=self)


async def verify(
    archive: Path,
    *,
    limits: Limits,
    strict: bool,
    comparison: ArchiveComparison | None = None,
    shape: ShapeInspection | None = None,
) -> VerificationResult:
    """Read ``archive`` in one pass, with the memory of an import, and of one line with ``shape``.

    Raises ImportWouldFail, then ManifestMismatch if there is a manifest to compare with, then ShapeMismatch
    if the ``shape`` is inspected and differs, and UsageError.
    """
    seen = _ArchiveInspector(archive, comparison, shape)
    try:
        await seen.read(limits)
    except ArchiveError as error:
        _show_difference(seen.verified())
        sentence = f"an import of {archive} would fail: {explained(str(error))}"
        raise ImportWouldFail(sentence, seen, code=error.code) from error
    if strict and seen.failure_count:
        list_failures(seen.verified().failed_relations)
        left_out = counted(seen.failure_count, "item")
        raise ImportWouldFail(f"an import of {archive} would leave out {left_out}", seen)
    result = seen.verified()
    if _show_difference(result):
        raise ManifestMismatch(archive, seen)
    if result.for_gitlab and result.for_gitlab.count:
        result.for_gitlab.list_faults()
        raise ShapeMismatch(archive, seen)
    return result


def _show_difference(result: VerificationResult) -> bool:
    """Show the files that are not as the manifest says; tell whether there are any."""
    differs = result.manifest is not None and not result.manifest.is_equal
    if differs and result.manifest:
        result.manifest.list_names()
    return differs


class _ArchiveInspector:
    """A Writer that keeps only names and counts of what it receives: 100 bytes for each blob."""

    def __init__(
        self, archive: Path, comparison: ArchiveComparison | None, shape: ShapeInspection | None
    ) -> None:
        self._size = find_size(archive)
        self._archive = archive
        self._comparison = comparison
        self._shape = shape
        self._progress = Progress()
        self._sha256: str | None = None
        self._blobs: list[BlobSummary] = []
        self._sizes: dict[int, int] = {}  # of all blobs, by the hashes of their names
        self._failures: list[Failure] = []
        self._limited = LimitedFailures(self._keep_failure, self._withdraw_failures)

    async def read(self, limits: Limits) -> None:
        """Read the whole archive. Raises ArchiveError."""
        budget, yielder = Budget(limits.prices), EventLoopYielder()
        restorer = Restorer(
            self,
            limits=limits,
            budget=budget,
            failures=self._limited,
            progress=self._progress,
            yielder=yielder,
        )
        with show_transfer("Verifying") as report:
            source = _File(self._archive, self._size, report)
            events = archive_events(source, limits, budget=budget, progress=self._progress, yielder=yielder)
            async with aclosing(events):
                async for event in events:
                    await restorer.handle(event)
                    if self._comparison:
                        self._comparison.take(event)
                    if self._shape:
                        self._shape.take(event)
                    await yielder.yield_if_due()
        await restorer.complete()
        self._sha256 = source.sha256

    async def directory(self, name: str, mtime: int) -> None:
        """See Writer."""

    async def withdraw(self, name: str) -> None:
        """See Writer."""
        if self._sizes.pop(hash(name), None) is not None:
            self._blobs = [each for each in self._blobs if each.name != name]

    def relation(self, name: str, mtime: int) -> _Lines:  # noqa: ARG002  # the port's
        """See Writer."""
        return _Lines()

    async def blob(
        self,
        name: str,
        mtime: int,  # noqa: ARG002  # the port's
        *,
        size: int,
        sha256: bytes | None = None,  # noqa: ARG002  # the port's
    ) -> _CountedBlob:
        """See Writer."""
        return _CountedBlob(self, BlobSummary(name, size))

    def keep(self, blob: BlobSummary) -> None:
        """Count a blob that an import would store."""
        self._sizes[hash(blob.name)] = blob.bytes
        if len(self._blobs) < MOST_LISTED:
            self._blobs.append(blob)

    @property
    def failure_count(self) -> int:
        """The number of records and files that an import would leave out."""
        return self._limited.count

    async def _keep_failure(self, failure: Failure) -> None:
        if len(self._failures) < MOST_LISTED:
            self._failures.append(failure)

    async def _withdraw_failures(self, relation: str) -> None:
        self._failures = [each for each in self._failures if not is_of_lines(each, relation)]

    def verified(self, error: JobFailed | None = None) -> VerificationResult:
        """Return the result so far."""
        return VerificationResult(
            file=utf8(self._archive),
            bytes=self._progress.bytes_done if self._size is None else self._size,
            sha256=self._sha256,
            error=str(error) if error else None,
            error_code=error.code if error else None,
            entries=self._progress.entries,
            relations={
                name: RelationCounts(bytes=each.bytes, lines=each.lines, failed=each.failed)
                for name, each in self._progress.relations.items()
            },
            blobs=self._blobs,
            blob_count=len(self._sizes),
            blob_bytes=sum(self._sizes.values()),
            notes={note.value: count for note, count in self._progress.notes.items()},
            contents=_contents(self._progress),
            failed_relations=[_shown(failure) for failure in self._failures],
            failure_count=self.failure_count,
            manifest=self._comparison.result if self._comparison else None,
            for_gitlab=self._shape.result if self._shape else None,
        )


def _contents(progress: Progress) -> Mapping[str, PartCounts] | None:
    if progress.contents is None:
        return None
    return {name: msgspec.convert(each.report(), PartCounts) for name, each in progress.contents.items()}


def _shown(failure: Failure) -> RelationFailure:
    return RelationFailure(
        relation_name=failure.relation,
        exception_class=failure.exception_class,
        exception_message=failure.message,
        line_number=failure.line_number,
    )


class _File:
    """An ArchiveSource that hashes a file, or a stream, while it reads it."""

    def __init__(self, archive: Path, size: int | None, report: ByteReporter) -> None:
        self._archive = archive
        self._size = size
        self._report = report
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes read so far, in hex."""
        return self._digest.hexdigest()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See ArchiveSource."""
        done = 0
        async with aclosing(read_stream(self._archive)) as chunks:
            async for chunk in chunks:
                self._digest.update(chunk)
                done += len(chunk)
                yield chunk
                self._report(done, self._size)


class _Lines:
    """A LineSink that keeps nothing: the restorer counts the lines."""

    async def write(self, lines: Sequence[bytes], *, records: bool = True) -> None: ...

    async def refuse(self, lines: Sequence[QuarantinedLine]) -> None: ...

    async def commit(self) -> None: ...


class _CountedBlob:
    """A BlobSink that counts the blob, unless it is left out."""

    def __init__(self, seen: _ArchiveInspector, blob: BlobSummary) -> None:
        self._seen = seen
        self._blob = blob

    def encode(self, data: bytes) -> bytes:  # noqa: ARG002  # the port's
        return b""

    async def place(self, stored: bytes) -> None: ...

    async def commit(self, sha256: bytes) -> None:  # noqa: ARG002  # the port's
        self._seen.keep(self._blob)

    async def abort(self) -> None: ...
