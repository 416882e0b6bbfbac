"""Who has signed in with a browser: a cookie, which counts for pages and never for the API."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from yarl import URL

from services.api.dependencies import DEPENDENCIES
from services.api.middleware.identify import is_usable
from shared.accounts import sessions
from shared.accounts.models import AccessToken, Scope
from shared.accounts.tokens import find_token

COOKIE = "_crossdock_session"
SCOPES = (Scope.API, Scope.READ_API)
"""What a token needs one of, to sign in with it: pages are for reading."""

LASTS = timedelta(hours=12)
"""The longest that somebody stays signed in, as with a working day; GitLab's is a week."""


async def signed_in(request: web.Request) -> AccessToken | None:
    """Give the token by which the browser signed in, as long as it holds."""
    secret = request.cookies.get(COOKIE)
    if not secret:
        return None
    pool = request.app[DEPENDENCIES].pool
    token_id = await sessions.find_session(pool, secret)
    token = None if token_id is None else await find_token(pool, token_id)
    return token if token is not None and is_usable(token, SCOPES) else None


async def sign_in(request: web.Request, response: web.Response, token: AccessToken) -> None:
    """Begin a session that the browser will name, in place of the one it named."""
    dependencies = request.app[DEPENDENCIES]
    await _end(request)
    response.set_cookie(
        COOKIE,
        await sessions.create_session(dependencies.pool, token.id, lasts=LASTS),
        max_age=LASTS // timedelta(seconds=1),
        path="/",
        httponly=True,
        secure=URL(dependencies.config.external_url).scheme == "https",
        samesite="Lax",
    )


async def sign_out(request: web.Request, response: web.Response) -> None:
    """End the session that the browser names, here and there."""
    await _end(request)
    response.del_cookie(COOKIE, path="/")


async def _end(request: web.Request) -> None:
    if secret := request.cookies.get(COOKIE):
        await sessions.end_session(request.app[DEPENDENCIES].pool, secret)
