"""Uploads that go on after a cut, by tus 1.0.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock import direct_uploads, tus
from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.crossdock.upload_entities import upload_entity
from services.api.http.caller import find_caller
from services.api.http.endpoint import is_piece
from services.api.http.errors import MethodUnknown, ParametersInvalid
from services.api.http.parameters import integer
from services.api.http.piece_body import RequestPiece
from services.api.http.responses import json_response
from services.api.use_cases import use_cases
from shared.uploads.models import ALGORITHMS, Upload
from shared.uploads.store import NewUpload
from shared.usecases.resumable_uploads import Appended, ResumableUploads

JSON = "application/json"
_PARTIAL, _FINAL = "partial", "final;"
_METHODS = "HEAD, PATCH, DELETE"


async def options(request: web.Request) -> web.Response:
    """OPTIONS /api/crossdock/v1/uploads, and of one: what the server can do, for everybody."""
    largest = await _uploads(request).largest()
    headers = {
        "Tus-Resumable": tus.VERSION,
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return web.Response(status=204, headers=headers | ({"Tus-Max-Size": str(largest)} if largest else {}))


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/uploads: the caller's that no job has used, the newest first."""
    caller, cut = find_caller(request), cursor_page_of(request)
    found = await _uploads(request).list(caller, below=cut.behind, limit=cut.size + 1)
    shown, headers = split_page(request, cut, found, number=lambda each: each.id)
    return json_response([upload_entity(each) for each in shown], headers=headers)


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/uploads, with first bytes or without; as JSON, one that goes past us."""
    if request.content_type == JSON and tus.HEADER not in request.headers:
        return await direct_uploads.create(request)
    tus.require_version(request)
    made = await _create(request)
    if is_piece(request) and request.can_read_body:
        made = await _append(request, made.id, offset=0)
    headers = tus.headers_of(made, Location=tus.address_of(request, made))
    return json_response(upload_entity(made), status=201, headers=headers)


async def _create(request: web.Request) -> Upload:
    uploads, caller, metadata = _uploads(request), find_caller(request), tus.metadata(request)
    concat = request.headers.get("Upload-Concat", "")
    if concat.startswith(_FINAL):
        parts = tus.parts(request, concat.removeprefix(_FINAL))
        return await uploads.join(caller, parts, metadata=metadata)
    if concat not in ("", _PARTIAL):
        raise ParametersInvalid("Upload-Concat is invalid")
    new = NewUpload(size=_length(request), metadata=metadata, is_partial=concat == _PARTIAL)
    return await uploads.create(caller, new)


def _length(request: web.Request) -> int | None:
    length, deferred = tus.number(request, "Upload-Length"), request.headers.get("Upload-Defer-Length")
    if deferred not in (None, "1") or (length is None) != (deferred == "1"):
        raise ParametersInvalid("either Upload-Length or Upload-Defer-Length: 1 has to be given")
    return length


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/uploads/:upload_id. HEAD ends a request that writes, and tells the offset."""
    if request.method == "HEAD":
        return await _tell(request)
    return json_response(upload_entity(await _uploads(request).show(find_caller(request), _id(request))))


async def _tell(request: web.Request) -> web.Response:
    tus.require_version(request)
    found = await _uploads(request).settle(find_caller(request), _id(request))
    return web.Response(headers=tus.state_of(found))


async def append(request: web.Request) -> web.Response:
    """PATCH /api/crossdock/v1/uploads/:upload_id: bytes at the offset, of which is kept what has come."""
    tus.require_version(request)
    offset = tus.number(request, "Upload-Offset")
    if offset is None:
        raise ParametersInvalid("Upload-Offset is missing")
    if not is_piece(request):
        raise ParametersInvalid("Content-Type has to be application/offset+octet-stream")
    return web.Response(
        status=204, headers=tus.headers_of(await _append(request, _id(request), offset=offset))
    )


async def _append(request: web.Request, upload_id: int, *, offset: int) -> Upload:
    body = RequestPiece(request)
    given = Appended(
        offset=offset,
        size=tus.number(request, "Upload-Length"),
        length=request.content_length,
        checksum=tus.checksum(request),
    )
    appended = await _uploads(request).append(find_caller(request), upload_id, given, body)
    if body.error is not None:
        raise body.error
    return appended


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/crossdock/v1/uploads/:upload_id, with all its bytes."""
    tus.require_version(request)
    await _uploads(request).remove(find_caller(request), _id(request))
    return web.Response(status=204, headers={"Tus-Resumable": tus.VERSION})


async def override(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/uploads/:upload_id, for what lets no other method through."""
    handlers = {"HEAD": _tell, "PATCH": append, "DELETE": delete}
    handler = handlers.get(tus.method_of(request))
    if handler is None:
        raise MethodUnknown(_METHODS)
    return await handler(request)


def _uploads(request: web.Request) -> ResumableUploads:
    return use_cases(request).resumable_uploads


def _id(request: web.Request) -> int:
    return integer(request.match_info["upload_id"]) or 0
