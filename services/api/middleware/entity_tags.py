"""Weak entity tags of short responses, so that clients that poll get 304 (RFC 9110, section 8.8.3)."""

from __future__ import annotations

import hashlib

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.preconditions import is_unchanged

_TAGGED = frozenset({200, 201})
_READING = frozenset({"GET", "HEAD"})


@web.middleware
async def tag_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tag the responses that GitLab tags: successful ones with a body. Answers 304 if the client has it."""
    response = await handler(request)
    if not isinstance(response, web.Response) or response.status not in _TAGGED or "ETag" in response.headers:
        return response
    if not isinstance(response.body, bytes) or not response.body:
        return response
    etag = f'W/"{hashlib.md5(response.body, usedforsecurity=False).hexdigest()}"'
    response.headers["ETag"] = etag
    is_read = request.method in _READING and response.status == web.HTTPOk.status_code
    if is_read and is_unchanged(request.headers, etag):
        return web.Response(status=304, headers={"ETag": etag})
    return response
