"""Which protocol of uploads a request speaks: by its header, never by a guess."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock.uploads import draft, tus
from services.api.crossdock.uploads.dialect import Dialect, method_of
from services.api.http.endpoint import DRAFT, TUS
from services.api.http.errors import DraftVersionUnsupported, ParametersInvalid, TusVersionUnsupported
from shared.errors import CrossdockError


def dialect_of(request: web.Request) -> Dialect:
    """Return the protocol that a request names.

    Raises TusVersionUnsupported, DraftVersionUnsupported, and ParametersInvalid for two protocols.
    """
    version = request.headers.get(DRAFT)
    if version is None:
        return _require_tus(request)
    if TUS in request.headers:
        raise ParametersInvalid(f"{TUS} and {DRAFT} name two protocols")
    if version.strip() not in draft.DRAFTS:
        raise DraftVersionUnsupported(draft.DRAFTS)
    return draft.DRAFTS[version.strip()]


def _require_tus(request: web.Request) -> Dialect:
    if request.headers.get(TUS) != tus.VERSION:
        raise TusVersionUnsupported
    return tus.TUS


def abilities(*, largest: int | None) -> dict[str, str]:
    """Return the headers that say what the server can do, in all protocols."""
    return tus.abilities(largest=largest) | draft.abilities(largest=largest)


def render_upload_error(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as the protocol of the request has it.

    The connection ends, as what is left of a body is not read.
    """
    answer = _spoken(request).refused(request, error)
    if method_of(request) == "HEAD":
        answer.headers["Cache-Control"] = "no-store"
    if method_of(request) in {"PATCH", "POST"} and not request.content.is_eof():
        answer.force_close()
    return answer


def _spoken(request: web.Request) -> Dialect:
    """Return the protocol of an answer, also to a request that names none, or a version that nobody knows."""
    return draft.DRAFTS["6"] if DRAFT in request.headers else tus.TUS
