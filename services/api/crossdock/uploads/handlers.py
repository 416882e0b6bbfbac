"""Uploads that go on after a cut, whatever protocol a request speaks of them."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.crossdock.uploads import direct
from services.api.crossdock.uploads.dialect import Creation, method_of
from services.api.crossdock.uploads.dialects import abilities, dialect_of
from services.api.crossdock.uploads.entities import upload_entity
from services.api.http.caller import find_caller
from services.api.http.endpoint import is_spoken
from services.api.http.errors import MethodUnknown
from services.api.http.kept_answers import commit_effect
from services.api.http.parameters import integer
from services.api.http.piece_body import RequestPiece
from services.api.http.responses import json_response
from services.api.use_cases import use_cases
from shared.uploads.models import Upload
from shared.usecases.resumable_uploads import Appended, ResumableUploads

JSON = "application/json"
_METHODS = "HEAD, PATCH, DELETE"


async def options(request: web.Request) -> web.Response:
    """OPTIONS /api/crossdock/v1/uploads, and of one: what the server can do, for everybody."""
    largest = await _uploads(request).largest()
    return web.Response(status=204, headers=abilities(largest=largest))


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/uploads: the caller's that no job has used, the newest first."""
    caller, cut = find_caller(request), cursor_page_of(request)
    found = await _uploads(request).list(caller, below=cut.behind, limit=cut.size + 1)
    shown, headers = split_page(request, cut, found, number=lambda each: each.id)
    return json_response([upload_entity(each) for each in shown], headers=headers)


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/uploads, with first bytes or without; as JSON, one that goes past us."""
    if request.content_type == JSON and not is_spoken(request):
        return await direct.create(request)
    dialect = dialect_of(request)
    given = dialect.read_creation(request)
    made = await _create(request, given)
    if given.first is not None:
        await commit_effect(request, dialect.created(request, made))
        await dialect.announce(request, made)
        made = await _append(request, made.id, given.first)
    return dialect.created(request, made)


async def _create(request: web.Request, given: Creation) -> Upload:
    uploads, caller = _uploads(request), find_caller(request)
    if given.parts is not None:
        return await uploads.join(caller, given.parts, metadata=given.new.metadata)
    return await uploads.create(caller, given.new, first=given.first)


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/uploads/:upload_id. HEAD ends a request that writes, and tells the offset."""
    if request.method == "HEAD":
        return await _tell(request)
    return json_response(upload_entity(await _uploads(request).show(find_caller(request), _id(request))))


async def _tell(request: web.Request) -> web.Response:
    dialect = dialect_of(request)
    dialect.check_bare(request)
    return dialect.told(request, await _uploads(request).settle(find_caller(request), _id(request)))


async def append(request: web.Request) -> web.Response:
    """PATCH /api/crossdock/v1/uploads/:upload_id: bytes at the offset, of which is kept what has come."""
    dialect = dialect_of(request)
    return dialect.appended(await _append(request, _id(request), dialect.read_piece(request)))


async def _append(request: web.Request, upload_id: int, given: Appended) -> Upload:
    body = RequestPiece(request)
    appended = await _uploads(request).append(find_caller(request), upload_id, given, body)
    if body.error is not None:
        raise body.error
    return appended


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/crossdock/v1/uploads/:upload_id, with all its bytes."""
    dialect = dialect_of(request)
    dialect.check_bare(request)
    await _uploads(request).remove(find_caller(request), _id(request))
    return dialect.removed()


async def override(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/uploads/:upload_id, for what lets no other method through."""
    handlers = {"HEAD": _tell, "PATCH": append, "DELETE": delete}
    handler = handlers.get(method_of(request))
    if handler is None:
        raise MethodUnknown(_METHODS)
    return await handler(request)


def _uploads(request: web.Request) -> ResumableUploads:
    return use_cases(request).resumable_uploads


def _id(request: web.Request) -> int:
    return integer(request.match_info["upload_id"]) or 0
