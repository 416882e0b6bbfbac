"""What a route is, beside its address and its handler: middleware reads this, and knows no handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from aiohttp.web_urldispatcher import AbstractRoute

from services.api.http.form_data import MULTIPART
from shared.accounts.models import Scope
from shared.errors import CrossdockError

ErrorRenderer = Callable[[web.Request, CrossdockError], web.Response]
"""Answers an error in the form that the route's clients expect."""

READING = frozenset({"GET", "HEAD"})


class BodyKind(Enum):
    """What the body of a request is."""

    PARAMETERS = "parameters"  # small, and read whole
    UPLOAD = "upload"  # a form with an archive in it, read as it arrives; parameters in any other form
    CONTENT = "content"  # an entry of a snapshot, read as it arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The attributes of a route.

    ``identifies``: the token is looked at before the handler is called. ``scopes`` are those of which a token
    needs one, beside ``api`` (and ``read_api`` to read); ``any_scope`` takes every token. ``keeps_answer``:
    an answer to a request with an ``Idempotency-Key`` is kept whole; one that holds a secret is not.
    ``errors`` words the errors; None leaves that to the address.
    """

    identifies: bool = True
    scopes: Sequence[Scope] = ()
    any_scope: bool = False
    body: BodyKind = BodyKind.PARAMETERS
    keeps_answer: bool = True
    errors: ErrorRenderer | None = None

    def accepted(self, method: str) -> Sequence[Scope]:
        """Give the scopes of which a token needs one for a method."""
        if self.any_scope:
            return list(Scope)
        return [*self.scopes, Scope.API, Scope.READ_API] if method in READING else [Scope.API]


_UNKNOWN = Endpoint(identifies=False)
ENDPOINTS = web.AppKey("endpoints", Mapping[AbstractRoute, Endpoint])


def endpoint_of(request: web.Request) -> Endpoint:
    """Give the attributes of the request's route; of what has none, those of an unknown address."""
    match: AbstractMatchInfo = request.match_info
    if match.http_exception is not None:
        return _UNKNOWN
    return request.app[ENDPOINTS].get(request.match_info.route, _UNKNOWN)


def has_content(request: web.Request) -> bool:
    """Tell whether the body is content, and no parameters."""
    body = endpoint_of(request).body
    return body is BodyKind.CONTENT or is_upload(request)


def is_upload(request: web.Request) -> bool:
    """Tell whether the body is a form that is read as it arrives."""
    return endpoint_of(request).body is BodyKind.UPLOAD and request.content_type == MULTIPART
