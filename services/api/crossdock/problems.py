"""Errors as problem documents: RFC 9457."""

from __future__ import annotations

import re
from http.client import responses

import msgspec
from aiohttp import web

from services.api.http.responses import CORRELATION_ID

_OWN = re.compile("/+api/+crossdock/")
"""Any run of slashes counts as one, as in the routes."""
_COPIED = ("Allow", "Location", "Retry-After", "WWW-Authenticate")


def told(request: web.Request, error: web.Response) -> web.Response:
    """Give an error as its reader expects it: below our own prefix as a problem, elsewhere as it is."""
    return problem(request, error) if _OWN.match(request.path) else error


def problem(request: web.Request, error: web.Response) -> web.Response:
    """Make a problem of an error in GitLab's words; the type says no more than its status."""
    phrase = responses.get(error.status, "")
    document = {
        "type": "about:blank",
        "title": phrase,
        "status": error.status,
        "detail": _detail(error).removeprefix(f"{error.status} ").removeprefix(f"{phrase} - ") or phrase,
        "instance": request.rel_url.raw_path,
        "correlation_id": request[CORRELATION_ID],
    }
    headers = {name: error.headers[name] for name in _COPIED if name in error.headers}
    return web.Response(
        body=msgspec.json.encode(document),
        status=error.status,
        headers=headers,
        content_type="application/problem+json",
    )


def _detail(error: web.Response) -> str:
    if error.content_type != "application/json":
        return (error.text or "").strip()
    body = msgspec.json.decode(error.text or "{}")
    return str(body.get("error_description") or body.get("message") or body.get("error") or "")
