"""Downloads an archive as a stream: resumes after a lost connection, and verifies what arrives."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from aiohttp import ClientResponse

from services.cli.archive_check import ArchiveCheck, DownloadCorrupted
from services.cli.client import GitLabClient
from services.cli.errors import CommandError, JobFailed, RefusedByServer, ServerUnreachable
from services.cli.http import attempts, retry_if_transient
from services.cli.terminal import ByteReporter

_CHUNK = 256 * 1024
_PARTIAL, _NOT_FOUND, _UNSATISFIABLE = 206, 404, 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_SHA256 = re.compile(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]+):")


class ArchiveSuperseded(CommandError):
    """The server no longer has the archive of which a part was downloaded before."""

    code = "download_superseded"


class ArchiveSink(Protocol):
    """Takes the bytes of one archive, in order."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes; may wait for earlier ones to be stored."""

    async def start_over(self) -> None:
        """Forget all bytes, as others come instead. Raises JobFailed where that is not possible."""

    async def end(self) -> None:
        """All bytes have come. Whether they are right is not known yet."""


class FileSink:
    """ArchiveSink that writes to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def write(self, data: bytes) -> None:
        """See ArchiveSink."""
        self._file.write(data)

    async def start_over(self) -> None:
        """See ArchiveSink."""
        if not self._file.seekable():
            raise JobFailed("the connection broke, and what was written already cannot be taken back")
        self._file.seek(0)
        self._file.truncate()

    async def end(self) -> None:
        """See ArchiveSink."""
        self._file.flush()

    def begun(self) -> Iterator[bytes]:
        """Give what the file has, less its last byte, which is dropped.

        So there is always a rest to request, and its response has the digest, if there is one.
        """
        self._file.truncate(self._file.seek(0, os.SEEK_END) - 1)
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield chunk


class ArchiveDownload:
    """The download of one archive into ``sink``, of which ``done`` bytes have arrived.

    It calls ``name`` with the validator of the archive (RFC 9110, 8.8) before it writes the first byte.
    """

    def __init__(self, sink: ArchiveSink, *, name: Callable[[str | None], None] = lambda _: None) -> None:
        self._sink = sink
        self._name = name
        self._report: ByteReporter = lambda _done, _total: None
        self._check = ArchiveCheck()
        self._validator: str | None = None
        self._total: int | None = None
        self._promised: bytes | None = None
        self._complete = False
        self._only_rest = False
        self._furthest = 0
        self.done = 0

    async def resume(self, validator: str | None, begun: Iterator[bytes], report: ByteReporter) -> None:
        """Check the bytes that the sink has of the archive with this ``validator``, to continue after them.

        Raises DownloadCorrupted.
        """
        for chunk in begun:
            self._check.take(chunk)
            self.done += len(chunk)
            report(self.done, None)
            await asyncio.sleep(0)  # lets Ctrl-C interrupt
        self._validator = validator
        self._furthest = self.done

    async def finish(self, client: GitLabClient, project: str | int, report: ByteReporter) -> str:
        """Download only the rest, as ``run`` does. Raises ArchiveSuperseded if the server has no rest."""
        self._only_rest = True
        return await self.run(client, project, report)

    async def run(self, client: GitLabClient, project: str | int, report: ByteReporter) -> str:
        """Download the archive and return its SHA-256 in hex.

        The number of lost connections has no limit, as long as each connection gets further than all before.
        Raises RefusedByServer, ServerUnreachable and DownloadCorrupted.
        """
        self._report = report
        while not self._complete:
            async for attempt in attempts(retry_if_transient):
                with attempt:
                    await self._fetch(client, project)
        await self._sink.end()
        return self._verified()

    async def _fetch(self, client: GitLabClient, project: str | int) -> None:
        try:
            async with client.archive(project, self._range()) as response:
                await self._begin(response)
                async for chunk in response.content.iter_chunked(_CHUNK):
                    await self._take(chunk)
                self._complete = True
        except ServerUnreachable:
            if self.done <= self._furthest:
                raise
            self._furthest = self.done
        except RefusedByServer as error:
            if self._only_rest and error.status in {_NOT_FOUND, _UNSATISFIABLE}:
                raise ArchiveSuperseded(str(error)) from error
            raise

    def _range(self) -> dict[str, str]:
        """Request the rest, or everything if the archive has changed (RFC 9110, 13.1.5)."""
        if not self.done or self._validator is None:
            return {}
        return {"Range": f"bytes={self.done}-", "If-Range": self._validator}

    async def _begin(self, response: ClientResponse) -> None:
        """Prepare for the body that the headers announce."""
        if response.status == _PARTIAL:
            self._go_on(response)
        elif self._only_rest:
            raise ArchiveSuperseded("the server has another archive by now")
        else:
            await self._start_over()
            self._total = response.content_length
            self._validator, self._promised = _validator(response), None
            self._name(self._validator)
        self._only_rest = False
        digest = _SHA256.search(response.headers.get("Repr-Digest", ""))
        if digest:
            self._promised = base64.b64decode(digest[1])

    def _go_on(self, response: ClientResponse) -> None:
        content_range = response.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(content_range)
        if match is None or int(match[1]) != self.done:
            raise DownloadCorrupted(f"asked for bytes from {self.done}, the server sent {content_range!r}")
        etag = response.headers.get("ETag")
        if self._validator and self._validator.startswith('"') and etag not in {None, self._validator}:
            raise DownloadCorrupted(f"asked for the rest of {self._validator}, the server sent {etag}")
        self._total = int(match[2])

    async def _start_over(self) -> None:
        if not self.done:
            return
        await self._sink.start_over()
        self._check = ArchiveCheck()
        self.done = 0

    async def _take(self, chunk: bytes) -> None:
        await self._sink.write(chunk)
        self._check.take(chunk)
        self.done += len(chunk)
        self._report(self.done, self._total)

    def _verified(self) -> str:
        if self._total is not None and self.done != self._total:
            raise DownloadCorrupted(f"{self.done} bytes arrived instead of {self._total}")
        self._check.end()
        found = self._check.sha256
        if self._promised is not None and found != self._promised:
            raise DownloadCorrupted(f"the SHA-256 is {found.hex()} instead of {self._promised.hex()}")
        return found.hex()


def _validator(response: ClientResponse) -> str | None:
    """Return the strong ETag, else Last-Modified: RFC 9110, 13.1.5 forbids a weak ETag in If-Range."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') and etag.isascii() else response.headers.get("Last-Modified")
