"""Renders errors in GitLab's forms: ``message`` (helpers), ``error`` (validation) and plain text."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from services.api.http import errors as http
from services.api.http.responses import json_response
from services.api.http.status import headers_of, status_of
from shared import errors
from shared.accounts.errors import ScopeInsufficient, TokenUnusable, UsernameTaken
from shared.accounts.members import AlreadyMember
from shared.accounts.rate_limits import RateLimited
from shared.admission import ShareUsed
from shared.usecases.errors import FieldsInvalid, NoArchive, NotAuthorized, NotFound, OwnerRequired


def render_gitlab_error(_request: web.Request, error: errors.CrossdockError) -> web.Response:
    """Render an error as GitLab does."""
    status, headers, body = status_of(error), headers_of(error), body_of(error)
    if isinstance(body, str):
        return web.Response(text=body, status=status, headers=headers)
    return json_response(body, status=status, headers=headers)


def body_of(error: errors.CrossdockError) -> object:
    """Return the body: an object for JSON, or a string for plain text."""
    match error:
        case errors.TooLarge():
            return f"{error}\n"  # GitLab's proxy says so
        case http.Redirected():
            return str(error)
        case TokenUnusable():
            return {"error": "invalid_token", "error_description": str(error)}
        case ScopeInsufficient():
            return {
                "error": "insufficient_scope",
                "error_description": str(error),
                "scope": " ".join(error.accepted),
            }
        case FieldsInvalid():
            return {"message": error.fields}
        case RateLimited() | NoArchive():
            return {"message": {"error": str(error)}}
        case http.ParametersInvalid() | http.BodyBroken() | http.MediaTypeUnsupported() | http.VersionGone():
            return {"error": str(error)}
        case http.Malformed() | http.RouteUnknown() | http.MethodUnknown():
            return {"error": text_of(error)}
        case _:
            return {"message": text_of(error)}


def text_of(error: errors.CrossdockError) -> str:
    """Return GitLab's sentence, with the status before it for the errors for which GitLab has it."""
    match error:
        case UsernameTaken():
            return "Username has already been taken"
        case AlreadyMember():
            return "Member already exists"
        case NotAuthorized() | OwnerRequired():
            return str(error)
        case http.ForeignForm():
            return "403 Forbidden"
        case errors.Denied(reason="") | errors.Denied(reason="Forbidden"):
            return "403 Forbidden"
        case errors.Denied():
            return f"403 Forbidden - {error.reason}"
        case http.KeyAtWork() | http.AnswerNotKept() | http.KeyReused() | http.TooManyKeys() | ShareUsed():
            status = status_of(error)
            return f"{status.value} {status.phrase} - {error}"
        case (
            NotFound()
            | errors.Unauthenticated()
            | errors.Unavailable()
            | errors.InternalError()
            | errors.TimedOut()
            | http.Malformed()
            | http.RouteUnknown()
            | http.MethodUnknown()
        ):
            return f"{status_of(error).value} {error}"
        case _ if status_of(error) is HTTPStatus.INTERNAL_SERVER_ERROR:
            return "500 Internal Server Error"
        case _:
            return str(error)
