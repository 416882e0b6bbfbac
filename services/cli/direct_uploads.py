"""Uploads of archives straight into the bucket of a Crossdock, by presigned addresses of their parts."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import msgspec
from yarl import URL

from services.cli.archive_source import find_size
from services.cli.client import GitLabClient, ImportRequest, ScheduledImport
from services.cli.errors import CommandError, UsageError, utf8
from services.cli.http import attempts, exchange, open_session, retry_if_keyed, retry_if_transient
from services.cli.json_api import JsonApi
from services.cli.proxies import find_proxy
from services.cli.resumable_uploads import import_upload, own_api
from services.cli.terminal import ByteReporter
from shared.lending import lent

_BLOCK = 1024 * 1024


class DirectUnsupported(CommandError):
    """The server is a GitLab, which has no bucket to send an archive to."""

    code = "direct_unsupported"


class _Upload(msgspec.Struct, frozen=True):
    id: int


class _Part(msgspec.Struct, frozen=True):
    number: int
    size: int
    url: str


async def import_directly(
    client: GitLabClient, archive: Path, to: ImportRequest, report: ByteReporter
) -> ScheduledImport:
    """Send ``archive`` into the server's bucket; return the import that the server scheduled.

    Raises UsageError for what is no file, and DirectUnsupported.
    """
    if not find_size(archive):
        raise UsageError("--direct takes a file that has bytes")
    if not await client.is_crossdock():
        raise DirectUnsupported("a GitLab takes no archive into its bucket: leave --direct out")
    with archive.open("rb") as file:
        number = await DirectUpload(client, file, report).send()
    return await import_upload(client, number, to)


class DirectUpload:
    """Sends a file part by part. The token of the API is sent to the API alone."""

    def __init__(self, client: GitLabClient, file: BinaryIO, report: ByteReporter) -> None:
        self._api = JsonApi(client.session, own_api(client))
        self._file = file
        self._name = utf8(Path(file.name).name)
        self._size = os.fstat(file.fileno()).st_size
        self._report = report
        self._digest = hashlib.sha256()

    async def send(self) -> int:
        """Send all parts, and return the number of the upload, which is complete."""
        number = (await self._post("", _Upload, {"direct": True, "size": self._size})).id
        etags, following, done = [], dict[str, str](), 0
        while done < self._size:
            # An address holds for an hour, so each is asked for when its turn has come.
            page = await self._api.call(
                "GET", f"/uploads/{number}/parts", list[_Part], params={**following, "per_page": "1"}
            )
            (part,) = page.body
            etags.append({"number": part.number, "etag": await self._send(part, done)})
            done, following = done + part.size, dict(page.following or {})
        body = {"parts": etags, "sha256": self._digest.hexdigest()}
        await self._post(f"/{number}/complete", _Upload, body)
        return number

    async def _post(self, path: str, answer: type[_Upload], body: Mapping[str, object]) -> _Upload:
        headers = {"Idempotency-Key": str(uuid4())}
        told = await self._api.call(
            "POST", f"/uploads{path}", answer, on=retry_if_keyed, json=dict(body), headers=headers
        )
        return told.body

    async def _send(self, part: _Part, start: int) -> str:
        """Send a part, once more where its connection breaks, and return its entity tag."""
        await asyncio.to_thread(self._take_digest, part, start)
        async with open_session("", find_proxy(URL(part.url, encoded=True))) as session:
            async for attempt in attempts(retry_if_transient):
                with attempt:
                    async with (
                        aclosing(self._blocks(part, start)) as blocks,
                        lent(blocks) as body,
                        exchange(
                            session, "PUT", part.url, data=body, headers={"Content-Length": str(part.size)}
                        ) as response,
                    ):
                        return response.headers.get("ETag", "")
        raise AssertionError("the last attempt raises")

    def _take_digest(self, part: _Part, start: int) -> None:
        for position in range(start, start + part.size, _BLOCK):
            self._digest.update(self._read(position, min(_BLOCK, start + part.size - position)))

    async def _blocks(self, part: _Part, start: int) -> AsyncGenerator[bytes, None]:
        for position in range(start, start + part.size, _BLOCK):
            block = await asyncio.to_thread(self._read, position, min(_BLOCK, start + part.size - position))
            self._report(position + len(block), self._size)
            yield block

    def _read(self, position: int, size: int) -> bytes:
        self._file.seek(position)
        block = self._file.read(size)
        if len(block) < size:
            raise UsageError(f"{self._name} has changed while it was uploaded")
        return block
