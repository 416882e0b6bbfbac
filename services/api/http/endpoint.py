"""The attributes of a route, which middleware reads. Middleware knows no handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from aiohttp.web_urldispatcher import AbstractRoute

from services.api.http.form_data import MULTIPART
from services.listener.at_work import READING
from shared.accounts.models import Scope
from shared.errors import CrossdockError

ErrorRenderer = Callable[[web.Request, CrossdockError], web.Response]
"""Renders an error in the form that the route's clients expect."""


PIECE = "application/offset+octet-stream"
"""The media type of bytes that go on where the last ones ended (tus)."""

TUS = "Tus-Resumable"
"""The header of requests by tus."""

DRAFT = "Upload-Draft-Interop-Version"
"""The header of requests by a draft of "Resumable Uploads for HTTP", whose bytes have any media type."""


class BodyKind(Enum):
    """The kind of a request's body."""

    PARAMETERS = "parameters"  # small, and read whole
    UPLOAD = "upload"  # a form with an archive in it, read as it arrives; parameters in any other form
    CONTENT = "content"  # an entry of a snapshot, read as it arrives
    PIECE = "piece"  # bytes of an upload, read as they arrive; parameters in any other form


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The attributes of a route.

    ``identifies``: middleware identifies the caller before it calls the handler.
    ``scopes``: the token needs one of these, ``api`` or, for reading, ``read_api``.
    ``any_scope``: a token with any scope is accepted.
    ``keeps_answer``: the response to a request with an ``Idempotency-Key`` is stored with its body. It is off
    for responses that contain a secret.
    ``errors``: the renderer of errors; None means that the address determines it.
    """

    identifies: bool = True
    scopes: Sequence[Scope] = ()
    any_scope: bool = False
    body: BodyKind = BodyKind.PARAMETERS
    keeps_answer: bool = True
    errors: ErrorRenderer | None = None

    def accepted_scopes(self, method: str) -> Sequence[Scope]:
        """Return the scopes for a method. A token needs one of them."""
        if self.any_scope:
            return list(Scope)
        return [*self.scopes, Scope.API, Scope.READ_API] if method in READING else [Scope.API]


_UNKNOWN = Endpoint(identifies=False)
ENDPOINTS = web.AppKey("endpoints", Mapping[AbstractRoute, Endpoint])


def endpoint_of(request: web.Request) -> Endpoint:
    """Return the attributes of the request's route, or those of an unknown address if there is no route."""
    match: AbstractMatchInfo = request.match_info
    if match.http_exception is not None:
        return _UNKNOWN
    return request.app[ENDPOINTS].get(request.match_info.route, _UNKNOWN)


def has_content(request: web.Request) -> bool:
    """Return whether the body is content instead of parameters."""
    body = endpoint_of(request).body
    return body is BodyKind.CONTENT or is_upload(request) or is_piece(request)


def is_upload(request: web.Request) -> bool:
    """Return whether the body is a form that is read as it arrives."""
    return endpoint_of(request).body is BodyKind.UPLOAD and media_type(request) == MULTIPART


def is_piece(request: web.Request) -> bool:
    """Return whether the body is bytes of an upload."""
    if endpoint_of(request).body is not BodyKind.PIECE:
        return False
    return media_type(request) == PIECE or (DRAFT in request.headers and request.can_read_body)


def is_spoken(request: web.Request) -> bool:
    """Return whether a request to a route of uploads names their protocol."""
    return endpoint_of(request).body is BodyKind.PIECE and (
        TUS in request.headers or DRAFT in request.headers
    )


def media_type(request: web.Request) -> str:
    """Return the media type of the body. That of aiohttp parses each new boundary as a head of a mail."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
