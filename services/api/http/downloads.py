"""Sends a file to the client, whole or in part."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from services.api.http.download_places import DOWNLOADS
from services.api.http.places import holder_of
from services.api.http.preconditions import find_unmet_condition, validators
from services.api.http.ranges import ByteRange, RangeUnsatisfiable, read_range
from shared.exports.downloads import FileDownload


async def send_file(request: web.Request, download: FileDownload) -> web.StreamResponse:
    """Respond with the file or the requested range of it, or with 302, 304, 412 or 416.

    The store to which 302 redirects answers ranges itself, by its own entity tag.
    Raises ShareUsed and PlacesTaken if no place becomes free in time.
    """
    headers = _headers(download)
    refused = find_unmet_condition(request.headers, etag=download.etag, modified_at=download.modified_at)
    if refused is not None:
        return web.Response(status=refused, headers=headers)
    if (address := await _address(request, download, headers)) is not None:
        return web.Response(
            status=HTTPStatus.FOUND, headers={"Location": address, "Cache-Control": "no-store"}
        )
    try:
        part = read_range(
            request.headers, size=download.size, etag=download.etag, last_modified=headers["Last-Modified"]
        )
    except RangeUnsatisfiable:
        return web.Response(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"Content-Range": f"bytes */{download.size}"},
        )
    if part is None:
        return await _stream(request, download, part=ByteRange(0, download.size), headers=headers)
    headers["Content-Range"] = part.content_range(download.size)
    return await _stream(request, download, part=part, headers=headers, status=HTTPStatus.PARTIAL_CONTENT)


async def _address(request: web.Request, download: FileDownload, headers: Mapping[str, str]) -> str | None:
    """Return the address at which the file is read with the same name and type; None if it is read here."""
    if download.presign is None:
        return None
    named = {name: headers[name] for name in ("Content-Type", "Content-Disposition")}
    return await download.presign(request.method, named)


def file_headers(name: str) -> dict[str, str]:
    """Make the headers of a file with this name."""
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Transfer-Encoding": "binary",
    }


def _headers(download: FileDownload) -> dict[str, str]:
    headers = {
        **file_headers(download.file_name),
        "Accept-Ranges": "bytes",
        **validators(download.etag, download.modified_at),
    }
    if download.sha256:
        headers["Repr-Digest"] = f"sha-256=:{b64encode(download.sha256).decode()}:"
    return headers


async def _stream(
    request: web.Request,
    download: FileDownload,
    *,
    part: ByteRange,
    headers: dict[str, str],
    status: int = HTTPStatus.OK,
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = part.length
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    async with request.app[DOWNLOADS].hold(holder_of(request), download.etag):
        await response.prepare(request)
        async with aclosing(download.read(part.start, part.length)) as chunks:
            async for chunk in chunks:
                await response.write(chunk)
    await response.write_eof()
    return response
