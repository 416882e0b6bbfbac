"""Lists, downloads, repairs and discards the refused lines of a project: Crossdock's own API."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import msgspec

from services.cli.archive_source import find_size, read_stream
from services.cli.client import GitLabClient
from services.cli.errors import JobFailed, UsageError, utf8
from services.cli.formats import counted
from services.cli.http import exchange
from services.cli.json_api import JsonApi
from services.cli.partial_file import open_partial_file
from services.cli.results import MOST_LISTED
from services.cli.terminal import print_result, print_table, say
from shared.gitlab.json_document import DOCUMENT_LIMIT
from shared.gitlab.lines import BlankLines, LineSplitter, OverlongLine

_TOGETHER = 16 * 1024 * 1024
"""Bytes of lines that are sent by one request, or one longer line."""

_NDJSON = "application/x-ndjson"


class RefusedLineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A line in the quarantine; ``kept`` says whether its bytes are."""

    id: int
    relation: str
    line: int
    code: str
    reason: str
    bytes: int
    kept: bool


class RelationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The refused lines of a relation, with their number for each kind of reason."""

    relation: str
    lines: int
    bytes: int
    not_kept: int
    codes: Mapping[str, int]


class QuarantineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a quarantine."""

    lines: int
    bytes: int
    not_kept: int
    relations: Sequence[RelationAnswer]


class QuarantineResult(QuarantineAnswer, frozen=True, kw_only=True):
    """``crossdock quarantine``: of the lines the first 1000; ``file`` is where they were downloaded to."""

    file: str | None = None
    refused_lines: Sequence[RefusedLineAnswer] = ()

    def show(self) -> None:
        """See Result."""
        if self.relations:
            rows = [
                (each.relation, each.lines, each.bytes, each.not_kept, _counts(each.codes))
                for each in self.relations
            ]
            print_table("Refused lines", ("relation", "lines", "bytes", "not kept", "reasons"), rows)
        _show_lines(self.refused_lines, self.lines)
        where = "" if self.file is None else f", {self.file}"
        print_result(f"{counted(self.lines, 'refused line')}{where}")


class RepairAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of repaired lines."""

    imported: int
    relations: Mapping[str, int]
    refused: int
    unknown: int
    lines: Sequence[RefusedLineAnswer]


class RepairResult(RepairAnswer, frozen=True, kw_only=True):
    """``crossdock quarantine --import``: of the lines that are refused again the first 1000."""

    error: str | None = None
    error_code: str | None = None

    def show(self) -> None:
        """See Result."""
        counts = f" ({_counts(self.relations)})" if self.relations else ""
        print_result(f"{counted(self.imported, 'line')} imported{counts}, {self.unknown} unknown")


class LinesRefused(JobFailed):
    """Some of the repaired lines are refused again; the others are imported."""

    code = "lines_refused"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _show_lines(lines: Sequence[RefusedLineAnswer], number: int, *, stderr: bool = False) -> None:
    if lines:
        rows = [(each.id, each.relation, each.line + 1, each.code, each.reason) for each in lines]
        print_table("Lines", ("id", "relation", "line", "code", "reason"), rows, stderr=stderr)
    if number > len(lines) > 0:
        say(f"and {number - len(lines)} more")


class QuarantineClient:
    """Calls the quarantine of a project.

    Every method raises RefusedByServer, ServerUnreachable and UnintelligibleAnswer.
    """

    def __init__(self, gitlab: GitLabClient, project: str, *, relation: str | None) -> None:
        base = gitlab.api.removesuffix("/api/v4") + "/api/crossdock/v1"
        self._session = gitlab.session
        self._api = JsonApi(
            gitlab.session, f"{base}/projects/{quote(project.strip('/'), safe='')}/quarantine"
        )
        self._query = {} if relation is None else {"relation": relation}

    async def list(self) -> QuarantineResult:
        """Return the counts, and the first lines."""
        found = self._api.items("/lines", RefusedLineAnswer, limit=MOST_LISTED, query=self._query)
        lines = [each async for each in found]
        return msgspec.structs.replace(await self.count(), refused_lines=lines)

    async def count(self) -> QuarantineResult:
        """Return the counts alone."""
        there = (await self._api.call("GET", "", QuarantineAnswer)).body
        wanted = [each for each in there.relations if self._query.get("relation") in {None, each.relation}]
        return QuarantineResult(
            lines=sum(each.lines for each in wanted),
            bytes=sum(each.bytes for each in wanted),
            not_kept=sum(each.not_kept for each in wanted),
            relations=wanted,
        )

    async def download(self, target: Path | None) -> QuarantineResult | None:
        """Write all lines as NDJSON, to stdout where there is no target; then there is no result."""
        if target is None:
            await self._write(sys.stdout.buffer)
            return None
        with open_partial_file(target, self._api.url) as part:
            part.empty()
            await self._write(part.file)
        return msgspec.structs.replace(await self.count(), file=utf8(target))

    async def _write(self, file: BinaryIO) -> None:
        query = {**self._query, "format": "ndjson"}
        async with exchange(self._session, "GET", self._api.url, params=query) as response:
            async for chunk in response.content.iter_any():
                file.write(chunk)
        file.flush()

    async def repair(self, source: Path) -> RepairResult:
        """Send lines, some at a time. Raises LinesRefused where some are refused again, and UsageError."""
        imported, refused, unknown, lines = Counter[str](), 0, 0, list[RefusedLineAnswer]()
        async with aclosing(_batches(source)) as batches:
            async for batch in batches:
                done = await self._send(batch)
                imported.update(done.relations)
                refused, unknown = refused + done.refused, unknown + done.unknown
                lines += done.lines[: MOST_LISTED - len(lines)]
        result = RepairResult(
            imported=imported.total(), relations=imported, refused=refused, unknown=unknown, lines=lines
        )
        if refused:
            raise _refusal(result)
        return result

    async def _send(self, batch: bytes) -> RepairAnswer:
        headers = {"Content-Type": _NDJSON}
        return (await self._api.call("POST", "", RepairAnswer, data=batch, headers=headers)).body

    async def discard(self) -> QuarantineResult:
        """Delete the lines, and return what is left."""
        await self._api.call("DELETE", "", type(None), params=self._query)
        return await self.count()


def _refusal(result: RepairResult) -> LinesRefused:
    _show_lines(result.lines, result.refused, stderr=True)
    again = counted(result.refused, "line is", "lines are")
    error = LinesRefused(f"{again} refused again, {counted(result.imported, 'is', 'are')} imported")
    error.document = msgspec.structs.replace(result, error=str(error), error_code=error.error_code)
    return error


async def _batches(source: Path) -> AsyncGenerator[bytes, None]:
    """Yield whole lines of a file, ``-`` for stdin. Raises UsageError."""
    find_size(source)
    splitter, waiting, size = LineSplitter(DOCUMENT_LIMIT), list[bytes](), 0
    async with aclosing(_lines(source, splitter)) as lines:
        async for line in lines:
            if size + len(line) > _TOGETHER and waiting:
                yield b"".join(waiting)
                waiting, size = [], 0
            waiting.append(line)
            size += len(line)
    if waiting:
        yield b"".join(waiting)


async def _lines(source: Path, splitter: LineSplitter) -> AsyncGenerator[bytes, None]:
    async with aclosing(read_stream(source)) as chunks:
        async for chunk in chunks:
            for line in splitter.feed(chunk):
                if not isinstance(line, BlankLines):
                    yield _whole(line)
    for line in splitter.close():
        if not isinstance(line, BlankLines):
            yield _whole(line)


def _whole(line: bytes | OverlongLine) -> bytes:
    if isinstance(line, OverlongLine):
        raise UsageError(f"a line of {line.length} bytes is over the limit of {DOCUMENT_LIMIT}")
    return line
