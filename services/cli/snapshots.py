"""A client of the open snapshots in Crossdock's own API."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from types import NoneType
from urllib.parse import quote

import msgspec
from yarl import URL

from services.cli.client import RelationFailure
from services.cli.errors import RefusedByServer
from services.cli.http import Session, api_url, attempts, open_session, retry_if_limited, retry_if_transient
from services.cli.json_api import JsonApi
from services.cli.proxies import find_proxy
from services.cli.small_files import FileArchive
from services.cli.tree import TreeFile, address_of

_PIECE = 256 * 1024
_NOT_FOUND = 404


class SnapshotAnswer(msgspec.Struct, frozen=True):
    """A snapshot, reduced to the fields that the command line uses."""

    id: int
    state: str
    entries: int
    bytes: int


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry of a snapshot."""

    name: str
    kind: str
    sha256: str | None = None


class FailedLine(msgspec.Struct, frozen=True):
    """A line that the server left out. ``line_number`` counts from 0.

    ``relation`` is None in the answer to a single file.
    """

    line_number: int
    exception_class: str
    exception_message: str
    relation: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """The server's answer to a file, or to an archive, which has no name.

    ``failures`` are the first of the ``failed_lines``.
    """

    name: str = ""
    failed_lines: int = 0
    failures: list[FailedLine] = []

    def relation_failures(self) -> list[RelationFailure]:
        """Convert the failures to the form in which an import reports them."""
        relation = PurePosixPath(self.name).stem
        return [
            RelationFailure(
                each.relation or relation, each.exception_class, each.exception_message, each.line_number
            )
            for each in self.failures
        ]


class _Watched(io.BufferedReader):
    """A file that reports the size of every read."""

    def __init__(self, file: TreeFile, read: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(file.path), _PIECE)
        self._report = read

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._report(len(data))
        return data


class _Tally:
    """Reports the size of every read of one request, and takes the sum back before a retry."""

    def __init__(self, read: Callable[[int], None]) -> None:
        self._report = read
        self._sum = 0

    def __call__(self, size: int) -> None:
        self._sum += size
        self._report(size)

    def take_back(self) -> None:
        """Report a negative size: that of all reads so far."""
        self(-self._sum)


class SnapshotClient:
    """The snapshots of one project. Every method raises RefusedByServer and ServerUnreachable."""

    def __init__(self, session: Session, above: str) -> None:
        self._json_api = JsonApi(session, above)

    async def open(self, *, from_current: bool) -> SnapshotAnswer:
        """Open a snapshot. Only a 429 is retried: after other errors the server may have opened one."""
        body = {"from": "current" if from_current else "empty"}
        return (await self._json_api.call("POST", "", SnapshotAnswer, on=retry_if_limited, json=body)).body

    async def entries(self, snapshot: int) -> list[EntryAnswer]:
        """Return all entries of a snapshot."""
        return (await self._json_api.call("GET", f"/{snapshot}/entries", list[EntryAnswer])).body

    async def put(self, snapshot: int, file: TreeFile, read: Callable[[int], None]) -> Receipt:
        """Send a file. ``read`` receives the size of every read, and a negative size before a retry."""
        tally = _Tally(read)
        async for attempt in attempts(retry_if_transient):
            with attempt, _Watched(file, tally) as opened:
                tally.take_back()
                path = f"/{snapshot}/{file.address}"
                return (await self._json_api.call_once("PUT", path, Receipt, data=opened)).body
        raise AssertionError("the last attempt raises")

    async def put_together(
        self, snapshot: int, files: Sequence[TreeFile], read: Callable[[int], None]
    ) -> Receipt:
        """Send small files by one request, as an archive: the server takes all or none of them.

        ``read`` receives what it receives from ``put``, and a negative size also if the server refuses.
        Raises OSError, and UsageError for a file that is not small any more.
        """
        tally = _Tally(read)
        try:
            async for attempt in attempts(retry_if_transient):
                with attempt:
                    tally.take_back()
                    return await self._put_archive(snapshot, FileArchive(files, tally))
        except RefusedByServer:
            tally.take_back()
            raise
        raise AssertionError("the last attempt raises")

    async def _put_archive(self, snapshot: int, archive: FileArchive) -> Receipt:
        path, headers = f"/{snapshot}/entries", {"Content-Type": "application/gzip"}
        with archive.sending():
            return (await self._json_api.call_once("PUT", path, Receipt, data=archive, headers=headers)).body

    async def remove(self, snapshot: int, name: str) -> None:
        """Remove a file. A 404 is success: an earlier attempt, whose answer was lost, removed it."""
        try:
            await self._json_api.call("DELETE", f"/{snapshot}/{address_of(name)}", NoneType)
        except RefusedByServer as error:
            if error.status != _NOT_FOUND:
                raise

    async def commit(self, snapshot: int, *, force: bool) -> SnapshotAnswer:
        """Commit a snapshot, which becomes the content of the project."""
        body = {"force": force}
        return (await self._json_api.call("POST", f"/{snapshot}/commit", SnapshotAnswer, json=body)).body

    async def discard(self, snapshot: int) -> None:
        """Discard a snapshot. Not retried."""
        await self._json_api.call_once("DELETE", f"/{snapshot}", NoneType)


@asynccontextmanager
async def connect(url: str, token: str, project: str) -> AsyncIterator[SnapshotClient]:
    """Open a client for one project of the Crossdock at ``url``. Raises UsageError."""
    own = api_url(url).removesuffix("/api/v4") + "/api/crossdock/v1"
    async with open_session(token, find_proxy(URL(own))) as session:
        yield SnapshotClient(session, f"{own}/projects/{quote(project.strip('/'), safe='')}/snapshots")
