"""The cookie of a browser's session: set, renewed, forgotten."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from yarl import URL

from services.api.http.client import client_address
from services.api.http.responses import external_url
from shared.accounts.sessions import Visitor

SESSION_COOKIE = "_crossdock_session"


def session_secret(request: web.Request) -> str | None:
    """Return the secret that the cookie has; None without one."""
    return request.cookies.get(SESSION_COOKIE) or None


def set_session(request: web.Request, response: web.Response, secret: str, *, lasts: timedelta) -> None:
    """Have the browser send the secret for that time, to this server alone and below its external URL."""
    url = URL(external_url(request))
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=lasts // timedelta(seconds=1),
        path=url.path or "/",
        httponly=True,
        secure=url.scheme == "https",
        samesite="Lax",
    )


def forget_session(request: web.Request, response: web.Response) -> None:
    """Have the browser forget the secret."""
    response.del_cookie(SESSION_COOKIE, path=URL(external_url(request)).path or "/")


def visitor_of(request: web.Request) -> Visitor:
    """Return where a session is begun."""
    return Visitor(address=client_address(request), browser=request.headers.get("User-Agent", ""))
