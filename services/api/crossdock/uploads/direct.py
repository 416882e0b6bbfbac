"""Uploads whose parts go straight into the bucket, by presigned addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aiohttp import web

from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.crossdock.uploads import tus
from services.api.crossdock.uploads.entities import upload_entity
from services.api.http import parameters as values
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.parameters import ParameterReader, integer
from services.api.http.responses import external_url, json_response, timestamp
from services.api.use_cases import use_cases
from shared.uploads.direct import LARGEST, MOST_PARTS
from shared.usecases.direct_uploads import NewDirectUpload, PartAddress

_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_LONGEST_ETAG = 256


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/uploads, as JSON with ``direct``."""
    reader = ParameterReader(await parameters(request))
    for name in ("direct", "size"):
        reader.require(name)
    if reader.boolean("direct") is False:
        reader.problem("direct", "must be true: other uploads are made by tus")
    size, sha256 = reader.integer("size") or 0, _read_sha256(reader)
    if not reader.problems and not 1 <= size <= LARGEST:
        reader.problem("size", f"must be from 1 to {LARGEST}")
    reader.finish()
    made = await use_cases(request).direct_uploads.create(find_caller(request), size=size, sha256=sha256)
    headers = tus.headers_of(made.upload, Location=_address(request, made))
    return json_response(_entity(request, made), status=201, headers=headers)


async def parts(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/uploads/:upload_id/parts: where the parts go."""
    cut = cursor_page_of(request)
    found = await use_cases(request).direct_uploads.addresses(
        find_caller(request), _id(request), behind=cut.behind or 0, limit=cut.size + 1
    )
    shown, headers = split_page(request, cut, found, number=lambda each: each.number)
    return json_response([_part(each) for each in shown], headers=headers)


async def complete(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/uploads/:upload_id/complete: all parts are in the bucket."""
    reader = ParameterReader(await parameters(request))
    reader.require("parts")
    etags, sha256 = _read_etags(reader), _read_sha256(reader)
    reader.finish()
    done = await use_cases(request).direct_uploads.complete(
        find_caller(request), _id(request), etags, sha256=sha256
    )
    return json_response(upload_entity(done))


def _read_sha256(reader: ParameterReader) -> bytes | None:
    """Read a digest in hexadecimal."""
    given = reader.text("sha256")
    if given is None:
        return None
    if not _SHA256.fullmatch(given):
        reader.problem("sha256", "is invalid: 64 hexadecimal digits are one")
        return None
    return bytes.fromhex(given)


def _read_etags(reader: ParameterReader) -> Sequence[str]:
    """Read the entity tags of the parts 1, 2, 3 and so on, in any order."""
    given = reader.given.get("parts")
    found = [_read_part(each) for each in given] if isinstance(given, list) else []
    etags = dict(each for each in found if each is not None)
    if len(etags) != len(found) or sorted(etags) != list(range(1, len(etags) + 1)) or not etags:
        reader.problem("parts", f"must have number, from 1 on, and etag of each part, at most {MOST_PARTS}")
    return [etags[number] for number in sorted(etags)]


def _read_part(given: object) -> tuple[int, str] | None:
    if not isinstance(given, Mapping):
        return None
    number, etag = integer(given.get("number")), values.text(given.get("etag"))
    if number is None or not 1 <= number <= MOST_PARTS or not etag or len(etag) > _LONGEST_ETAG:
        return None
    return number, etag


def _entity(request: web.Request, made: NewDirectUpload) -> dict[str, object]:
    address = _address(request, made)
    return {
        **upload_entity(made.upload),
        "part_size": made.part_size,
        "part_count": made.part_count,
        "parts_url": f"{address}/parts",
        "complete_url": f"{address}/complete",
    }


def _address(request: web.Request, made: NewDirectUpload) -> str:
    return f"{external_url(request)}/api/crossdock/v1/uploads/{made.upload.id}"


def _part(part: PartAddress) -> dict[str, object]:
    return {
        "number": part.number,
        "size": part.size,
        "url": part.url,
        "expires_at": timestamp(part.expires_at),
    }


def _id(request: web.Request) -> int:
    return integer(request.match_info["upload_id"]) or 0
