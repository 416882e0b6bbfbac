"""Signs browsers in by a personal access token, and out."""

from __future__ import annotations

from html import escape

from aiohttp import web

from services.api.http.bodies import parameters
from services.api.http.client import client_address
from services.api.http.errors import ForeignForm, SignInRefused
from services.api.http.own_pages import is_own_origin
from services.api.http.parameters import text
from services.api.http.responses import external_url
from services.api.http.session_cookie import forget_session, session_secret, set_session, visitor_of
from services.api.http.status import headers_of, status_of
from services.api.pages.html import address, link, local_path, page
from services.api.use_cases import use_cases
from shared.accounts.errors import UserBlocked
from shared.accounts.models import AccessToken
from shared.errors import CrossdockError
from shared.usecases.browser_sessions import LASTS

PATH = "/users/sign_in"
_FORM = """<p>{advice}</p>
<form method="post" action="{action}">
<input type="hidden" name="return_to" value="{return_to}">
<label>Personal access token
<input type="password" name="token" autocomplete="off" required autofocus></label>
<button>Sign in</button>
</form>"""
_SIGN_OUT = """<p>You are signed in as {username}.</p>
<form method="post" action="{action}"><button>Sign out</button></form>"""
_ADVICE = "With a token that has the scope api or read_api. It is not kept by the browser."
_TITLES = {
    403: "This form was sent by another site",
    429: "Too many attempts",
    503: "Signing in is not possible now",
}


async def show(request: web.Request) -> web.Response:
    """GET /users/sign_in: the form, or the user who is signed in."""
    token = await find_signed_in(request)
    if token is None:
        return _form(request, local_path(request.query.get("return_to")))
    action = escape(address(request, "/users/sign_out"))
    return page(request, "Signed in", _SIGN_OUT.format(username=escape(token.user.username), action=action))


async def find_signed_in(request: web.Request) -> AccessToken | None:
    """Return the token by which the browser signed in; None if it is not signed in."""
    secret = session_secret(request)
    if not secret:
        return None
    return await use_cases(request).browser_sessions.find(secret, address=client_address(request))


def _form(
    request: web.Request, return_to: str | None, *, status: int = 200, advice: str = _ADVICE
) -> web.Response:
    name = use_cases(request).openid_connect.name
    other = link(request, "/users/auth/openid_connect", f"Sign in with {name}", return_to=return_to or "")
    body = (f"<p>{other}</p>" if name else "") + _FORM.format(
        advice=advice, action=escape(address(request, PATH)), return_to=escape(return_to or "")
    )
    return page(request, "Sign in", body, status=status)


async def sign_in(request: web.Request) -> web.Response:
    """POST /users/sign_in: redirects to ``return_to``, which must be a path of this server."""
    _require_own_form(request)
    given = await parameters(request)
    return_to = local_path(text(given.get("return_to")))
    given_token = (text(given.get("token")) or "").strip()
    try:
        token = await use_cases(request).browser_sessions.check(given_token, address=client_address(request))
    except UserBlocked as error:
        return _form(request, return_to, status=403, advice=str(error))
    if token is None:
        return _form(request, return_to, status=401, advice=str(SignInRefused()))
    return await _begin(request, token, return_to or PATH)


async def _begin(request: web.Request, token: AccessToken, path: str) -> web.Response:
    sessions = use_cases(request).browser_sessions
    secret = await sessions.begin(token, visitor_of(request), instead_of=session_secret(request))
    response = _see(request, path)
    set_session(request, response, secret, lasts=LASTS)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """POST /users/sign_out."""
    _require_own_form(request)
    await use_cases(request).browser_sessions.end(session_secret(request))
    response = _see(request, PATH)
    forget_session(request, response)
    return response


def _see(request: web.Request, path: str) -> web.Response:
    headers = {"Location": address(request, path), "Cache-Control": "no-store"}
    return web.Response(status=303, headers=headers)


def _require_own_form(request: web.Request) -> None:
    """Raise ForeignForm unless ``Origin``, which all browsers send with forms, is this server."""
    if not is_own_origin(request):
        raise ForeignForm


def render_sign_in_error(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as a page."""
    status = status_of(error).value
    title = _TITLES.get(status, "This cannot be read")
    body = f"<p>{link(request, PATH, 'Sign in')} at {escape(external_url(request))}, and try again.</p>"
    return page(request, title, body, status=status, headers=headers_of(error))
