"""Use case of downloads: the archive from the store to the socket, whole or in part."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import aclosing
from email.utils import format_datetime
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from services.api import bodies
from services.api.errors import Refused
from services.api.ranges import ByteRange, RangeUnsatisfiable, is_unchanged, requested_range
from shared.errors import ObjectMissing
from shared.projects.archives import FinishedArchive
from shared.storage.base import ObjectStore


async def require_stored(store: ObjectStore, archive: FinishedArchive) -> None:
    """Raise 404 where the store lost the archive, while the answer's status is still open."""
    try:
        await store.stat(archive.key)
    except ObjectMissing:
        raise Refused(404, "The project export file is not available yet") from None


async def send(request: web.Request, store: ObjectStore, archive: FinishedArchive) -> web.StreamResponse:
    """Answer with the archive, with the range of it that was asked for, or with 304 or 416."""
    headers = _headers(archive)
    if is_unchanged(request.headers, headers["ETag"]):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    try:
        part = requested_range(
            request.headers, size=archive.size, etag=headers["ETag"], last_modified=headers["Last-Modified"]
        )
    except RangeUnsatisfiable:
        return web.Response(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"Content-Range": f"bytes */{archive.size}"},
        )
    if part is None:
        return await _stream(request, store, archive, part=ByteRange(0, archive.size), headers=headers)
    headers["Content-Range"] = part.content_range(archive.size)
    return await _stream(
        request, store, archive, part=part, headers=headers, status=HTTPStatus.PARTIAL_CONTENT
    )


def _headers(archive: FinishedArchive) -> dict[str, str]:
    name = archive.file_name
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Transfer-Encoding": "binary",
        "Accept-Ranges": "bytes",
        "ETag": f'"{archive.sha256.hex()}"',
        "Last-Modified": format_datetime(archive.created_at.replace(microsecond=0), usegmt=True),
        "Repr-Digest": f"sha-256=:{b64encode(archive.sha256).decode()}:",
    }


async def _stream(  # an answer's parts
    request: web.Request,
    store: ObjectStore,
    archive: FinishedArchive,
    *,
    part: ByteRange,
    headers: dict[str, str],
    status: int = HTTPStatus.OK,
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = part.length
    await response.prepare(request)
    if request.method != "HEAD":
        async with aclosing(store.read(archive.key, start=part.start, length=part.length)) as chunks:
            async for chunk in chunks:
                await _write(response, chunk)
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    try:
        async with asyncio.timeout(bodies.IDLE.total_seconds()):
            await response.write(chunk)
    except TimeoutError:
        raise ConnectionAbortedError(f"the client took nothing for {bodies.IDLE}") from None
