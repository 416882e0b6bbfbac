"""Maps errors to HTTP status codes and headers, by their kind."""

from __future__ import annotations

from http import HTTPStatus

from services.api.http import errors as http
from shared import errors
from shared.accounts.errors import TokenUnusable
from shared.admission import PlacesTaken, ShareUsed
from shared.uploads.models import UploadBusy

_STATUSES: dict[type[BaseException], HTTPStatus] = {
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Denied: HTTPStatus.FORBIDDEN,
    errors.Missing: HTTPStatus.NOT_FOUND,
    errors.NotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Invalid: HTTPStatus.BAD_REQUEST,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Unprocessable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TimedOut: HTTPStatus.REQUEST_TIMEOUT,
    http.MediaTypeUnsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    http.VersionGone: HTTPStatus.GONE,
    http.Redirected: HTTPStatus.MOVED_PERMANENTLY,
    http.ForeignForm: HTTPStatus.FORBIDDEN,
    http.TusVersionUnsupported: HTTPStatus.PRECONDITION_FAILED,
    http.DraftVersionUnsupported: HTTPStatus.PRECONDITION_FAILED,
    UploadBusy: HTTPStatus.LOCKED,
}

_CHALLENGE = 'Bearer realm="Protected by OAuth 2.0", error="invalid_token", error_description="%s"'
LIMIT_NAME = "RateLimit-Name"
"""GitLab's header with the name of the limit that refused a request."""

_SOON = 10
"""Seconds after which clients may retry: a restart or a failover takes about as long."""


def status_of(error: errors.CrossdockError) -> HTTPStatus:
    """Return the status of an error: that of its nearest base class, or 500 if none has one."""
    kinds = (_STATUSES.get(kind) for kind in type(error).__mro__)
    return next(filter(None, kinds), HTTPStatus.INTERNAL_SERVER_ERROR)


def headers_of(error: errors.CrossdockError) -> dict[str, str]:
    """Return the headers of an error, which are the same for all forms of the body."""
    match error:
        case ShareUsed():
            return {"Retry-After": str(error.wait), LIMIT_NAME: error.limit}
        case PlacesTaken():
            return {"Retry-After": str(_SOON), LIMIT_NAME: error.limit}
        case errors.TooMany():
            return {"Retry-After": str(error.wait)}
        case errors.Unavailable():
            return {"Retry-After": str(_SOON)}
        case TokenUnusable():
            return {"WWW-Authenticate": _CHALLENGE % error}
        case http.KeyAtWork():
            return {"Retry-After": "1"}
        case http.MethodUnknown():
            return {"Allow": error.allowed}
        case http.Redirected():
            return {"Location": error.address}
        case http.EncodingUnsupported():
            return {"Accept-Encoding": "gzip"}
        case _:
            return {}
