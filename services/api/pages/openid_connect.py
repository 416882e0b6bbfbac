"""Signs browsers in by OpenID Connect, at GitLab's addresses: to the provider, and back."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from html import escape

from aiohttp import web
from yarl import URL

from services.api.http.responses import external_url
from services.api.http.session_cookie import session_secret, set_session, visitor_of
from services.api.http.status import headers_of, status_of
from services.api.pages.html import address, link, local_path, page
from services.api.pages.sign_in import PATH as SIGN_IN
from services.api.use_cases import use_cases
from shared.errors import CrossdockError
from shared.openid.flow import Flow
from shared.usecases.browser_sessions import LASTS
from shared.usecases.openid_connect import OpenIdAnswer

PATH = "/users/auth/openid_connect"
CALLBACK = f"{PATH}/callback"

_COOKIE = "crossdock_openid_connect"
_LASTS = timedelta(minutes=10)
_LONGEST_PATH = 1000
"""Characters of the path to go on to; a longer one is passed over."""


async def begin(request: web.Request) -> web.Response:
    """GET /users/auth/openid_connect: redirects to the provider. ``return_to`` is a path of this server."""
    flow = Flow()
    where = await use_cases(request).openid_connect.begin(flow, redirect_uri=_callback(request))
    response = _see(where)
    _remember(request, response, flow, _below(request, local_path(request.query.get("return_to")) or ""))
    return response


async def finish(request: web.Request) -> web.Response:
    """GET /users/auth/openid_connect/callback: begins the session, and redirects to where the browser was."""
    flow, return_to = _recall(request)
    query = request.query
    answer = OpenIdAnswer(
        flow=flow,
        state=query.get("state", ""),
        code=query.get("code", ""),
        issuer=query.get("iss"),
        error=query.get("error"),
    )
    secret = await use_cases(request).openid_connect.finish(
        answer,
        visitor_of(request),
        redirect_uri=_callback(request),
        instead_of=session_secret(request),
    )
    response = _see(address(request, return_to or "/"))
    set_session(request, response, secret, lasts=LASTS)
    _forget(request, response)
    return response


def render_openid_error(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as a page; what was begun is over."""
    ways = f"{link(request, PATH, 'Try again')}, or {link(request, SIGN_IN, 'sign in with a token')}."
    body = f"<p>{escape(error.shown)}</p><p>{ways}</p>"
    response = page(
        request, "You are not signed in", body, status=status_of(error).value, headers=headers_of(error)
    )
    _forget(request, response)
    return response


def _see(where: str) -> web.Response:
    headers = {"Location": where, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


def _below(request: web.Request, path: str) -> str:
    """Return the path below that of the external URL; the console gives it with that."""
    above = address(request, "")
    return path.removeprefix(above) if path.startswith(f"{above}/") else path


def _callback(request: web.Request) -> str:
    return external_url(request) + CALLBACK


def _is_secure(request: web.Request) -> bool:
    return URL(external_url(request)).scheme == "https"


def _name(request: web.Request) -> str:
    """Return the name of the cookie; by TLS, one that no neighbour below the same domain can set."""
    return f"__Host-{_COOKIE}" if _is_secure(request) else _COOKIE


def _remember(request: web.Request, response: web.Response, flow: Flow, return_to: str) -> None:
    path = urlsafe_b64encode(return_to.encode() if len(return_to) <= _LONGEST_PATH else b"").decode()
    response.set_cookie(
        _name(request),
        f"{flow.secret}.{path}",
        max_age=_LASTS // timedelta(seconds=1),
        path="/",
        httponly=True,
        secure=_is_secure(request),
        samesite="Lax",  # the provider's page leads to ours
    )


def _recall(request: web.Request) -> tuple[Flow | None, str | None]:
    """Return the sign-in that this browser has begun, and where it goes on."""
    secret, _, path = request.cookies.get(_name(request), "").partition(".")
    if not secret:
        return None, None
    try:
        return_to = urlsafe_b64decode(path).decode()
    except ValueError:
        return_to = ""
    return Flow(secret), local_path(return_to)


def _forget(request: web.Request, response: web.Response) -> None:
    response.del_cookie(_name(request), path="/", httponly=True, secure=_is_secure(request), samesite="Lax")
