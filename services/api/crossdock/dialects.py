"""Which protocol of uploads a request speaks: by its header, never by a guess."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock import tus
from services.api.crossdock.dialect import Dialect, method_of
from services.api.http.errors import TusVersionUnsupported
from shared.errors import CrossdockError


def is_spoken(request: web.Request) -> bool:
    """Return whether a request names a protocol of uploads."""
    return tus.HEADER in request.headers


def dialect_of(request: web.Request) -> Dialect:
    """Return the protocol that a request names. Raises TusVersionUnsupported."""
    if request.headers.get(tus.HEADER) != tus.VERSION:
        raise TusVersionUnsupported
    return tus.TUS


def render_upload_error(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as the protocol of the request has it.

    The connection ends, as what is left of a body is not read.
    """
    answer = tus.TUS.refused(request, error)
    if method_of(request) == "HEAD":
        answer.headers["Cache-Control"] = "no-store"
    if method_of(request) in {"PATCH", "POST"} and not request.content.is_eof():
        answer.force_close()
    return answer
