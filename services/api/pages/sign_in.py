"""Signing in with a browser by a personal access token, and signing out."""

from __future__ import annotations

from html import escape
from ipaddress import IPv4Address, ip_address

from aiohttp import web
from yarl import URL

from services.api import rate_limits
from services.api.dependencies import DEPENDENCIES
from services.api.http.bodies import parameters
from services.api.http.errors import ApiError, Refused
from services.api.http.parameters import text
from services.api.middleware.identify import is_usable
from services.api.pages import browser_sessions
from services.api.pages.html import address, link, local_path, page
from shared.accounts.tokens import find_by_token

PATH = "/users/sign_in"

_ATTEMPTS = 60
"""Failed ones a minute from one address, against load: nobody guesses 24 random bytes. All who come by one
proxy share them."""

_NETWORK = 64
"""Bits of an IPv6 address that one customer has at the least."""

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
_UNUSABLE = "This token is unknown, does not hold any more, or has neither of the scopes api and read_api."
_TITLES = {
    403: "This form was sent by another site",
    429: "Too many attempts",
    503: "Signing in is not possible now",
}


async def show(request: web.Request) -> web.Response:
    """GET /users/sign_in: the form, or who is signed in."""
    token = await browser_sessions.signed_in(request)
    if token is None:
        return _form(request, local_path(request.query.get("return_to")))
    action = escape(address(request, "/users/sign_out"))
    return page("Signed in", _SIGN_OUT.format(username=escape(token.user.username), action=action))


def _form(
    request: web.Request, return_to: str | None, *, status: int = 200, advice: str = _ADVICE
) -> web.Response:
    body = _FORM.format(
        advice=advice, action=escape(address(request, PATH)), return_to=escape(return_to or "")
    )
    return page("Sign in", body, status=status)


async def sign_in(request: web.Request) -> web.Response:
    """POST /users/sign_in; goes on to ``return_to``, which can be a path of this server only."""
    _require_own_form(request)
    await rate_limits.count(request, "web_sign_in", _network(request), limit=_ATTEMPTS)
    given = await parameters(request)
    return_to = local_path(text(given.get("return_to")))
    pool = request.app[DEPENDENCIES].pool
    token = await find_by_token(pool, (text(given.get("token")) or "").strip())
    if token is None or not is_usable(token, browser_sessions.SCOPES):
        return _form(request, return_to, status=401, advice=_UNUSABLE)
    await rate_limits.take_back(request)
    response = _see(request, return_to or PATH)
    await browser_sessions.sign_in(request, response, token)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """POST /users/sign_out."""
    _require_own_form(request)
    response = _see(request, PATH)
    await browser_sessions.sign_out(request, response)
    return response


def _see(request: web.Request, path: str) -> web.Response:
    headers = {"Location": address(request, path), "Cache-Control": "no-store"}
    return web.Response(status=303, headers=headers)


def _require_own_form(request: web.Request) -> None:
    """Raise 403 unless the browser says that a page of this server sent the form; all browsers say."""
    own = URL(request.app[DEPENDENCIES].config.external_url).origin()
    if request.headers.get("Origin") not in (str(own), f"{request.scheme}://{request.host}"):
        raise Refused(403, "403 Forbidden")


def _network(request: web.Request) -> int:
    """Give a number for who asks: an address, or a network of IPv6."""
    try:
        asking = ip_address(request.remote or "")
    except ValueError:  # it came by a socket that is a file
        return 0
    return int(asking) if isinstance(asking, IPv4Address) else int(asking) >> (128 - _NETWORK)


def refused(request: web.Request, error: ApiError) -> web.Response:
    """Tell an error of these pages."""
    title = _TITLES.get(error.status, "This cannot be read")
    own = request.app[DEPENDENCIES].config.external_url
    body = f"<p>{link(request, PATH, 'Sign in')} at {escape(own)}, and try again.</p>"
    return page(title, body, status=error.status, headers=error.headers)
