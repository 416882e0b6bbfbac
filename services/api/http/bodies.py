"""Reads the parameters of a request from its query and a small body: JSON, urlencoded or multipart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from services.api.http.body_time import BODY_LIMITS, BodyTime
from services.api.http.encodings import decode_body, refuse_encoding
from services.api.http.errors import BodyTooLarge, MediaTypeUnsupported, ParametersInvalid
from services.api.http.form_data import FieldCollector, form_parser
from services.api.http.interim import send_interim
from services.api.http.nesting import nest

LARGEST_BODY = 1024 * 1024
MOST_PARAMETERS = 1000

_UNSAID = "application/x-www-form-urlencoded"
"""The type of a body without Content-Type. Rack assumes a form and Grape JSON; here a form may be JSON."""

_PARAMETERS = web.RequestKey("parameters", dict[str, object])


async def parameters(request: web.Request) -> dict[str, object]:
    """Return the parameters of query and body. The body's take precedence. May be repeated.

    Raises BodyTooLarge for more than 1 MiB, MediaTypeUnsupported, EncodingUnsupported, BodyBroken for a body
    that does not match its encoding, TimedOut for one that comes too slowly, and ParametersInvalid for one
    that cannot be parsed.
    """
    if _PARAMETERS not in request:
        body = await _read_body(request)
        request[_PARAMETERS] = nest([*request.query.items(), *_parse_pairs(request, body)])
    return request[_PARAMETERS]


def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the decoded body as it arrives.

    Sends 100-continue, if the client waits for it, when the first chunk is requested. Raises
    EncodingUnsupported at once; BodyBroken and TimedOut during iteration.
    """
    return decode_body(_receive(request), request.headers.get("Content-Encoding", ""))


def undecoded_chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, which has to be sent without an encoding.

    Raises EncodingUnsupported at once, and TimedOut during iteration.
    """
    refuse_encoding(request.headers.get("Content-Encoding", ""))
    return _receive(request)


async def _receive(request: web.Request) -> AsyncIterator[bytes]:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.can_read_body:
        await send_interim(request, "100 Continue")
    time_left = BodyTime(request.app[BODY_LIMITS], length=request.content_length)
    while chunk := await time_left.receive(request.content.readany):
        yield chunk


async def _read_body(request: web.Request) -> bytes:
    if (request.content_length or 0) > LARGEST_BODY:
        raise BodyTooLarge(LARGEST_BODY)
    body = bytearray()
    async for chunk in chunks(request):
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge(LARGEST_BODY)
    return bytes(body)


def _parse_pairs(request: web.Request, body: bytes) -> list[tuple[str, object]]:
    if not body.strip():
        return []
    match request.content_type if "Content-Type" in request.headers else _UNSAID:
        case "application/json":
            return _parse_json(body)
        case "application/x-www-form-urlencoded":
            return _parse_urlencoded(body)
        case "multipart/form-data":
            return _parse_multipart(request, body)
        case other:
            raise MediaTypeUnsupported(f"The provided content-type '{other}' is not supported.")


def _parse_json(body: bytes) -> list[tuple[str, object]]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ParametersInvalid("the body is not valid JSON") from None
    if not isinstance(decoded, dict):
        return []
    if len(decoded) > MOST_PARAMETERS:
        raise ParametersInvalid(f"the body has more than {MOST_PARAMETERS} parameters")
    return list(decoded.items())


def _parse_urlencoded(body: bytes) -> list[tuple[str, object]]:
    if body.lstrip().startswith(b"{"):
        # GitLab's older documentation shows JSON that curl labels as a form.
        try:
            return _parse_json(body)
        except ParametersInvalid:
            pass
    try:
        return list(
            parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
        )
    except ValueError:
        raise ParametersInvalid(f"the form is not UTF-8 or has more than {MOST_PARAMETERS} fields") from None


def _parse_multipart(request: web.Request, body: bytes) -> list[tuple[str, object]]:
    fields = FieldCollector()
    with form_parser(request.headers["Content-Type"]) as feed:
        for event in feed(body):
            fields.take(event)
    return list(fields.pairs)
