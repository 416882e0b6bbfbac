"""Uploads of archives that go on where they were, at a Crossdock that has tus 1.0.0."""

from __future__ import annotations

import asyncio
import hashlib
import os
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from rich.filesize import decimal
from yarl import URL

from services.cli.archive_source import find_size
from services.cli.client import GitLabClient, ImportRequest, ScheduledImport
from services.cli.crossdock_api import JobAnswer
from services.cli.errors import RefusedByServer, UsageError, utf8
from services.cli.http import attempts, exchange, retry_if_keyed, retry_if_transient
from services.cli.json_api import JsonApi
from services.cli.terminal import ByteReporter, say, say_if_interrupted
from shared.lending import lent

CHUNK = 64 * 1024 * 1024
"""The bytes of one request. A smaller file is sent as GitLab's form: it has nothing to go on behind."""

_BLOCK = 1024 * 1024
_TUS = {"Tus-Resumable": "1.0.0"}
_GONE = {404, 410}
_AGAIN = {409, 423, 460}
"""Another offset, a request that has not ended, and bytes that were changed on their way."""


async def is_resumable(client: GitLabClient, archive: Path) -> bool:
    """Return whether the archive is a large file, and its server a Crossdock that takes it in chunks."""
    if (find_size(archive) or 0) <= CHUNK or not await client.is_crossdock():
        return False
    try:
        async with exchange(client.session, "OPTIONS", own_api(client) + "/uploads") as response:
            return "1.0.0" in response.headers.get("Tus-Version", "")
    except RefusedByServer:
        return False


async def import_in_chunks(
    client: GitLabClient, archive: Path, to: ImportRequest, report: ByteReporter
) -> ScheduledImport:
    """Upload ``archive``, or the rest of it, and return the import that the server scheduled."""
    with archive.open("rb") as file:
        upload = ChunkedUpload(client, file, archive, report)
        with say_if_interrupted("The server keeps what arrived: the same command goes on with it"):
            number = await upload.send()
    scheduled = await import_upload(client, number, to)
    upload.memory.forget()
    return scheduled


async def import_upload(client: GitLabClient, number: int, to: ImportRequest) -> ScheduledImport:
    """Have the server import an upload."""
    answer = await JsonApi(client.session, own_api(client)).call(
        "POST",
        "/imports",
        JobAnswer,
        on=retry_if_keyed,
        json={"upload_id": number, **to.body()},
        headers={"Idempotency-Key": str(uuid4())},
    )
    return ScheduledImport(await client.import_status(answer.body.project.id), answer.job)


def own_api(client: GitLabClient) -> str:
    """Return the URL of Crossdock's own API of the server."""
    return client.api.removesuffix("/api/v4") + "/api/crossdock/v1"


class UploadMemory:
    """Remembers the upload of a file at a server, as long as path, size and time of the file are the same."""

    def __init__(self, server: str, archive: Path) -> None:
        found = archive.stat()
        identity = f"{server}\0{archive.resolve()}\0{found.st_size}\0{found.st_mtime_ns}"
        name = hashlib.sha256(os.fsencode(identity)).hexdigest()
        self._path = _cache() / "crossdock" / "uploads" / name

    def recall(self) -> int | None:
        """Return the number of the upload; None if there is none."""
        try:
            return int(self._path.read_text())
        except (OSError, ValueError):
            return None

    def remember(self, number: int) -> None:
        """Remember an upload. Without a folder to write to, only this command knows it."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.write_text(str(number))

    def forget(self) -> None:
        """Forget the upload."""
        with suppress(OSError):
            self._path.unlink()


def _cache() -> Path:
    """Return the folder of caches (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".cache"


@dataclass(frozen=True, slots=True)
class _Chunk:
    offset: int
    size: int
    sha256: bytes


class ChunkedUpload:
    """Sends a file chunk by chunk. Each is sent again until the server has it; what it has is not sent."""

    def __init__(self, client: GitLabClient, file: BinaryIO, archive: Path, report: ByteReporter) -> None:
        self._session = client.session
        self._address = own_api(client) + "/uploads"
        self._file = file
        self._name = archive.name
        self._size = os.fstat(file.fileno()).st_size
        self._report = report
        self.memory = UploadMemory(client.api, archive)

    async def send(self) -> int:
        """Send what the server lacks, and return the number of the upload."""
        number, offset = await self._find() or (await self._create(), 0)
        while offset < self._size:
            offset = await self._send_chunk(number, offset)
        self._report(offset, self._size)
        return number

    async def _find(self) -> tuple[int, int] | None:
        """Return the remembered upload and its offset; None if the server does not have it any more."""
        number = self.memory.recall()
        if number is None:
            return None
        try:
            offset = await self._ask(number)
        except RefusedByServer as error:
            if error.status not in _GONE:
                raise
            return None
        say(f"Going on with an upload: {decimal(offset)} of {decimal(self._size)} are there")
        return number, offset

    async def _create(self) -> int:
        name = b64encode(utf8(self._name).encode()).decode()
        headers = _TUS | {"Upload-Length": str(self._size), "Upload-Metadata": f"filename {name}"}
        headers["Idempotency-Key"] = str(uuid4())
        async for attempt in attempts(retry_if_keyed):
            with attempt:
                async with exchange(self._session, "POST", self._address, headers=headers) as response:
                    number = int(URL(response.headers["Location"]).name)
                    self.memory.remember(number)
                    return number
        raise AssertionError("the last attempt raises")

    async def _ask(self, number: int) -> int:
        async for attempt in attempts(_retry):
            with attempt:
                return await self._ask_once(number)
        raise AssertionError("the last attempt raises")

    async def _ask_once(self, number: int) -> int:
        async with exchange(self._session, "HEAD", f"{self._address}/{number}", headers=_TUS) as response:
            return _offset(response.headers)

    async def _send_chunk(self, number: int, offset: int) -> int:
        """Send the chunk at ``offset``; return the offset behind it, or where the server wants to go on."""
        async for attempt in attempts(_retry):
            with attempt:
                if attempt.num > 1:
                    asked = await self._ask_once(number)
                    if asked != offset:
                        return asked
                return await self._send_once(number, await asyncio.to_thread(self._digest, offset))
        raise AssertionError("the last attempt raises")

    async def _send_once(self, number: int, chunk: _Chunk) -> int:
        headers = _TUS | {
            "Upload-Offset": str(chunk.offset),
            "Upload-Checksum": f"sha256 {b64encode(chunk.sha256).decode()}",
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(chunk.size),
        }
        address = f"{self._address}/{number}"
        async with (
            aclosing(self._blocks(chunk)) as blocks,
            lent(blocks) as body,
            exchange(self._session, "PATCH", address, headers=headers, data=body) as response,
        ):
            return _offset(response.headers)

    def _digest(self, offset: int) -> _Chunk:
        digest, size = hashlib.sha256(), 0
        self._file.seek(offset)
        while size < CHUNK and (block := self._file.read(min(_BLOCK, CHUNK - size))):
            digest.update(block)
            size += len(block)
        if size == 0 or (size < CHUNK and offset + size != self._size):
            raise UsageError(f"{self._name} has changed while it was uploaded")
        return _Chunk(offset, size, digest.digest())

    async def _blocks(self, chunk: _Chunk) -> AsyncGenerator[bytes, None]:
        done = 0
        while done < chunk.size:
            read = partial(self._read, chunk.offset + done, min(_BLOCK, chunk.size - done))
            if not (block := await asyncio.to_thread(read)):
                raise UsageError(f"{self._name} has changed while it was uploaded")
            done += len(block)
            self._report(chunk.offset + done, self._size)
            yield block

    def _read(self, position: int, size: int) -> bytes:
        self._file.seek(position)
        return self._file.read(size)


def _offset(headers: Mapping[str, str]) -> int:
    return int(headers["Upload-Offset"])


def _retry(error: Exception) -> bool | float:
    """Retry also where the server has another offset, or an earlier request has not ended there."""
    return (isinstance(error, RefusedByServer) and error.status in _AGAIN) or retry_if_transient(error)
