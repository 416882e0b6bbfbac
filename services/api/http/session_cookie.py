"""The cookie of a browser's session: set, renewed, forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from aiohttp import web
from yarl import URL

from services.api.http.client import client_address
from services.api.http.responses import external_url
from shared.accounts.sessions import Visitor

SESSION_COOKIE = "_crossdock_session"


def session_secret(request: web.Request) -> str | None:
    """Return the secret that the cookie has; None without one, and where there are several that differ.

    Browsers do not say who has set which: a neighbour below the same domain may have set one, so that
    somebody works in its account.
    """
    given = set(_secrets(request))
    return given.pop() if len(given) == 1 else None


def _secrets(request: web.Request) -> Iterator[str]:
    for header in request.headers.getall("Cookie", ()):
        for cookie in header.split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == SESSION_COOKIE and value:
                yield value


def set_session(request: web.Request, response: web.Response, secret: str, *, lasts: timedelta) -> None:
    """Have the browser send the secret for that time, to this server alone and below its external URL."""
    url = URL(external_url(request))
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=lasts // timedelta(seconds=1),
        path=_path(request),
        httponly=True,
        secure=url.scheme == "https",
        samesite="Lax",
    )


def forget_session(request: web.Request, response: web.Response) -> None:
    """Have the browser forget the secret."""
    response.del_cookie(SESSION_COOKIE, path=_path(request))


def _path(request: web.Request) -> str:
    """Return the path of the external URL as browsers send it: they compare the bytes."""
    return URL(external_url(request)).raw_path or "/"


def visitor_of(request: web.Request) -> Visitor:
    """Return where a session is begun."""
    return Visitor(address=client_address(request), browser=request.headers.get("User-Agent", ""))
