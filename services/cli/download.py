"""Downloading an archive: streamed, taken up again where it broke off, verified, and whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from aiohttp import ClientResponse

from services.cli.client import GitLabClient
from services.cli.errors import JobFailed, Unreachable, UsageError
from services.cli.http import attempts, when_passing
from services.cli.terminal import Report

_CHUNK = 256 * 1024
_PARTIAL = 206
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_SHA256 = re.compile(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]+):")


class Corrupted(JobFailed):
    """What came is not what the server said it sends."""

    code = "download_corrupted"


class Download:
    """One archive on its way to ``file``; ``done`` bytes have arrived."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self._file = file
        self._report = report
        self._digest = hashlib.sha256()
        self._validator: str | None = None
        self._total: int | None = None
        self._promised: bytes | None = None
        self._complete = False
        self._furthest = 0
        self.done = 0

    async def run(self, client: GitLabClient, project: str | int) -> str:
        """Fetch it all and give its SHA-256 in hex. Raises RefusedByServer, Unreachable, Corrupted.

        A connection may break as often as it likes that got further than all before it.
        """
        while not self._complete:
            async for attempt in attempts(when_passing):
                with attempt:
                    await self._fetch(client, project)
        return self._verified()

    async def _fetch(self, client: GitLabClient, project: str | int) -> None:
        try:
            async with client.archive(project, self._range()) as response:
                self._begin(response)
                async for chunk in response.content.iter_chunked(_CHUNK):
                    self._take(chunk)
                self._complete = True
        except Unreachable:
            if self.done <= self._furthest:
                raise
            self._furthest = self.done

    def _range(self) -> dict[str, str]:
        """Ask for the rest, or for all where the archive is another one by now (RFC 9110, 13.1.5)."""
        if not self.done or self._validator is None:
            return {}
        return {"Range": f"bytes={self.done}-", "If-Range": self._validator}

    def _begin(self, response: ClientResponse) -> None:
        """Take what the headers say."""
        if response.status == _PARTIAL:
            self._go_on(response.headers.get("Content-Range", ""))
        else:
            self._start_over()
            self._total = response.content_length
        self._validator = _validator(response)
        digest = _SHA256.search(response.headers.get("Repr-Digest", ""))
        self._promised = base64.b64decode(digest[1]) if digest else None

    def _go_on(self, content_range: str) -> None:
        match = _CONTENT_RANGE.fullmatch(content_range)
        if match is None or int(match[1]) != self.done:
            raise Corrupted(f"asked for bytes from {self.done}, the server sent {content_range!r}")
        self._total = int(match[2])

    def _start_over(self) -> None:
        if not self.done:
            return
        if not self._file.seekable():
            raise JobFailed("the connection broke, and what was written already cannot be taken back")
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.done = 0

    def _take(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)
        self.done += len(chunk)
        self._report(self.done, self._total)

    def _verified(self) -> str:
        if self._total is not None and self.done != self._total:
            raise Corrupted(f"{self.done} bytes arrived instead of {self._total}")
        if self._promised is not None and self._digest.digest() != self._promised:
            raise Corrupted(f"the SHA-256 is {self._digest.hexdigest()} instead of {self._promised.hex()}")
        return self._digest.hexdigest()


def _validator(response: ClientResponse) -> str | None:
    """What names this very content: a strong ETag, else the date (RFC 9110, 13.1.5 forbids a weak ETag)."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """Write ``target`` under the name ``target.part``, which takes its place, or vanishes after an error."""
    if target.is_dir():
        raise UsageError(f"{target} is a directory: name a file")
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    except OSError as error:
        raise JobFailed(f"cannot write {error.filename or part}: {os.strerror(error.errno or 0)}") from error
    finally:
        part.unlink(missing_ok=True)
