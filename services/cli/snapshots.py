"""A client of the open snapshots in Crossdock's own API."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import NoneType
from urllib.parse import quote

import msgspec
from aiohttp import ClientSession

from services.cli.client import RelationFailure
from services.cli.errors import RefusedByServer
from services.cli.http import api_url, attempts, open_session, retry_if_limited, retry_if_transient
from services.cli.json_api import JsonApi
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
    """A line that the server left out. ``line_number`` counts from 0."""

    line_number: int
    exception_class: str
    exception_message: str

    def of(self, relation: str) -> RelationFailure:
        """Convert it to the form in which an import reports failures."""
        return RelationFailure(relation, self.exception_class, self.exception_message, self.line_number)


class FileReceipt(msgspec.Struct, frozen=True):
    """The server's answer to a file. ``failures`` are the first of the ``failed_lines``."""

    name: str
    failed_lines: int = 0
    failures: list[FailedLine] = []


class _Watched(io.BufferedReader):
    """A file that reports the size of every read."""

    def __init__(self, file: TreeFile, read: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(file.path), _PIECE)
        self._report = read

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._report(len(data))
        return data


class SnapshotClient:
    """The snapshots of one project. Every method raises RefusedByServer and ServerUnreachable."""

    def __init__(self, session: ClientSession, above: str) -> None:
        self._json_api = JsonApi(session, above)

    async def open(self, *, from_current: bool) -> SnapshotAnswer:
        """Open a snapshot. Only a 429 is retried: after other errors the server may have opened one."""
        body = {"from": "current" if from_current else "empty"}
        return (await self._json_api.call("POST", "", SnapshotAnswer, on=retry_if_limited, json=body)).body

    async def entries(self, snapshot: int) -> list[EntryAnswer]:
        """Return all entries of a snapshot."""
        return (await self._json_api.call("GET", f"/{snapshot}/entries", list[EntryAnswer])).body

    async def put(self, snapshot: int, file: TreeFile, read: Callable[[int], None]) -> FileReceipt:
        """Send a file. ``read`` receives the size of every read, and a negative size before a retry."""
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            sent += size
            read(size)

        async for attempt in attempts(retry_if_transient):
            with attempt, _Watched(file, count) as opened:
                read(-sent)
                sent = 0
                return (
                    await self._json_api.call_once(
                        "PUT", f"/{snapshot}/{file.address}", FileReceipt, data=opened
                    )
                ).body
        raise AssertionError("the last attempt raises")

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
    async with open_session(token) as session:
        yield SnapshotClient(session, f"{own}/projects/{quote(project.strip('/'), safe='')}/snapshots")
