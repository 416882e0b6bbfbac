"""Renders errors as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from services.api.http.responses import CORRELATION_ID, external_url
from services.api.http.status import LIMIT_NAME, headers_of, status_of
from shared.errors import CrossdockError

_COPIED = ("Allow", "Location", "Retry-After", "WWW-Authenticate", LIMIT_NAME)


def render_problem(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error. ``type`` is the URL of a page that explains its ``code``.

    ``limit`` is the name of the limit, in documents of errors that have one.
    """
    status = status_of(error)
    return make_problem(request, error, status=status.value, title=status.phrase)


def make_problem(
    request: web.Request,
    error: CrossdockError,
    *,
    status: int,
    title: str,
    more: Mapping[str, object] | None = None,
) -> web.Response:
    """Render an error with a status that its kind does not have, and with ``more`` members or others."""
    document = {
        "type": f"{external_url(request)}/problems/{error.code}",
        "title": title,
        "status": status,
        "detail": str(error) or title,
        "instance": request.rel_url.raw_path,
        "correlation_id": request[CORRELATION_ID],
        "code": error.code,
        **(more or {}),
    }
    headers = {name: value for name, value in headers_of(error).items() if name in _COPIED}
    if LIMIT_NAME in headers:
        document["limit"] = headers[LIMIT_NAME]
    return web.Response(
        body=msgspec.json.encode(document),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )
