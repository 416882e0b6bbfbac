"""The quarantine of a project: counts of its refused lines, a list of them, and all of them as NDJSON."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated

import msgspec
from aiohttp import web

from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.gitlab.upload_forms import limit_body, require_size
from services.api.http.bodies import chunks
from services.api.http.caller import find_caller
from services.api.http.errors import BodyTooLarge, ParametersInvalid
from services.api.http.parameters import ParameterReader, integer
from services.api.http.places import holder_of
from services.api.http.responses import json_response
from services.api.http.streams import send_pieces
from services.api.use_cases import use_cases
from shared.gitlab.json_document import DOCUMENT_LIMIT
from shared.gitlab.layout import RELATION_SUFFIX
from shared.gitlab.lines import BlankLines, LineSplitter, OverlongLine
from shared.snapshots.quarantine import QuarantinedLine, QuarantinedRelation
from shared.usecases.errors import NotFound
from shared.usecases.quarantine_repairs import RepairedLine

NDJSON = "application/x-ndjson"
_FORMATS = ("json", "ndjson")
_NULL = msgspec.Raw(b"null")
_VARY = {"Vary": "Origin, Accept"}
_FILE = {
    "Content-Type": NDJSON,
    "Content-Disposition": f'attachment; filename="quarantine{RELATION_SUFFIX}"',
}


async def show(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /projects/:id/quarantine: counts; as NDJSON all lines, to be repaired and sent back."""
    uses = use_cases(request).quarantine
    project_id = await uses.find_project(find_caller(request), request.match_info["id"])
    relation, wants_lines = _read_query(request)
    if not wants_lines:
        return json_response(_counts(await uses.count(project_id)), headers=_VARY)
    async with aclosing(_pieces(uses.read(project_id, relation=relation))) as pieces:
        # The first one is made before the headers, as it may fail.
        begun = _begun(await anext(pieces, b""), pieces)
        return await send_pieces(request, begun, headers=_FILE | _VARY)


async def _begun(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def lines(request: web.Request) -> web.Response:
    """GET and HEAD /projects/:id/quarantine/lines: without their bytes, by id."""
    uses = use_cases(request).quarantine
    project_id = await uses.find_project(find_caller(request), request.match_info["id"])
    relation, _ = _read_query(request)
    page = cursor_page_of(request)
    found = await uses.list_lines(project_id, relation=relation, after=page.behind or 0, limit=page.size + 1)
    shown, headers = split_page(request, page, found, number=lambda each: each.id)
    return json_response([_entity(each) for each in shown], headers=headers)


async def repair(request: web.Request) -> web.Response:
    """POST /projects/:id/quarantine: NDJSON of lines as they were downloaded, with other records."""
    uses = use_cases(request)
    project_id = await uses.quarantine.find_project(find_caller(request), request.match_info["id"])
    await require_size(request)
    body = await limit_body(request, chunks(request))
    done = await uses.quarantine_repairs.repair(project_id, _repaired(body), holder=holder_of(request))
    return json_response(
        {
            "imported": sum(done.imported.values()),
            "relations": dict(done.imported),
            "refused": done.refused,
            "unknown": done.unknown,
            "lines": [_entity(each) for each in done.shown],
        }
    )


async def discard(request: web.Request) -> web.Response:
    """DELETE /projects/:id/quarantine: all lines, or those of one relation."""
    uses = use_cases(request).quarantine
    project_id = await uses.find_project(find_caller(request), request.match_info["id"])
    relation, _ = _read_query(request)
    await uses.discard(project_id, relation=relation)
    return web.Response(status=204)


async def discard_line(request: web.Request) -> web.Response:
    """DELETE /projects/:id/quarantine/lines/:line_id."""
    uses = use_cases(request).quarantine
    project_id = await uses.find_project(find_caller(request), request.match_info["id"])
    line_id = integer(request.match_info["line_id"])
    if line_id is None:
        raise NotFound("Line")
    await uses.discard(project_id, line_id=line_id)
    return web.Response(status=204)


def _read_query(request: web.Request) -> tuple[str | None, bool]:
    """Return the relation that is asked for, and whether NDJSON is. Raises ParametersInvalid."""
    reader = ParameterReader(request.query)
    relation, wanted = reader.text("relation"), reader.choice("format", _FORMATS)
    reader.finish()
    is_accepted = wanted is None and NDJSON in request.headers.get("Accept", "")
    return relation or None, wanted == "ndjson" or is_accepted


def _counts(relations: Sequence[QuarantinedRelation]) -> dict[str, object]:
    return {
        "lines": sum(each.lines for each in relations),
        "bytes": sum(each.size for each in relations),
        "not_kept": sum(each.not_kept for each in relations),
        "relations": [
            {
                "relation": each.relation,
                "lines": each.lines,
                "bytes": each.size,
                "not_kept": each.not_kept,
                "codes": dict(each.codes),
            }
            for each in relations
        ],
    }


def _entity(line: QuarantinedLine) -> dict[str, object]:
    return {
        "id": line.id,
        "relation": line.relation,
        "line": line.line,
        "code": line.code,
        "reason": line.reason,
        "bytes": line.size,
        "kept": line.has_bytes,
    }


class _Sent(msgspec.Struct):
    """A line of NDJSON that is sent back; its other members are what the download had."""

    id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    record: msgspec.Raw = _NULL
    record_base64: str | None = None


_DECODER = msgspec.json.Decoder(_Sent)


async def _repaired(body: AsyncIterator[bytes]) -> AsyncIterator[RepairedLine]:
    """Yield the lines of a body. Raises ParametersInvalid."""
    splitter, number = LineSplitter(DOCUMENT_LIMIT), 0
    async for chunk in body:
        for line in splitter.feed(chunk):
            number += line.count if isinstance(line, BlankLines) else 1
            if not isinstance(line, BlankLines):
                yield _repaired_line(line, number)
    for line in splitter.close():
        if not isinstance(line, BlankLines):
            yield _repaired_line(line, number + 1)


def _repaired_line(line: bytes | OverlongLine, number: int) -> RepairedLine:
    if isinstance(line, OverlongLine):
        raise BodyTooLarge(DOCUMENT_LIMIT)
    try:
        sent = _DECODER.decode(line)
        return RepairedLine(sent.id, _data(sent))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ParametersInvalid(f"line {number}: {error}") from None


def _data(sent: _Sent) -> bytes:
    """Return the record: the text of a string, an object as it is written, or what Base64 has."""
    raw = bytes(sent.record)
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str).encode()
    if raw == bytes(_NULL) and sent.record_base64 is not None:
        return b64decode(sent.record_base64, validate=True)
    return raw


async def _pieces(
    lines: AsyncGenerator[Sequence[QuarantinedLine], None],
) -> AsyncGenerator[bytes, None]:
    encoder = msgspec.json.Encoder()
    async with aclosing(lines) as found:
        async for some in found:
            for each in some:
                yield encoder.encode(_entity(each) | _bytes(each.data)) + b"\n"


def _bytes(data: bytes | None) -> dict[str, object]:
    """Return the line as text, or in base64 where it is not UTF-8; both are null where it was not kept."""
    try:
        return {"record": None if data is None else data.decode(), "record_base64": None}
    except UnicodeDecodeError:
        return {"record": None, "record_base64": None if data is None else b64encode(data).decode()}
