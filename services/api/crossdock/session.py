"""The session of a browser, and all sessions of its user. The console asks here who is signed in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from services.api.http.bodies import parameters
from services.api.http.caller import require_caller
from services.api.http.client import client_address
from services.api.http.errors import SignInRefused
from services.api.http.own_pages import is_of_own_page, require_own_page
from services.api.http.parameters import integer, text
from services.api.http.responses import json_response, timestamp
from services.api.http.session_cookie import forget_session, session_secret, set_session, visitor_of
from services.api.use_cases import use_cases
from shared.accounts.models import AccessToken, User
from shared.accounts.sessions import BrowserSession
from shared.usecases.browser_sessions import LASTS

DATA_FOLDER: web.AppKey[Path | None] = web.AppKey("data_folder")
"""Where the data of a standalone are, which has everything in one process; None of the other form."""

_NO_STORE = {"Cache-Control": "no-store"}
_OPENID_CONNECT = "/users/auth/openid_connect"


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/session: who is signed in. Always 200; ``user`` is null where nobody is.

    The secret of the session is renewed here, if it is an hour old.
    """
    sessions = use_cases(request).browser_sessions
    secret = session_secret(request) if is_of_own_page(request) else None
    token = await sessions.find(secret, address=client_address(request)) if secret else None
    session = await sessions.show(secret) if secret and token else None
    response = json_response(_entity(request, token, session), headers=_NO_STORE)
    if session is not None and secret is not None and (new := await sessions.renew(secret)):
        set_session(request, response, new, lasts=session.expires_at - datetime.now(UTC))
    return response


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/session: signs a page of ours in by a token; the session before it ends."""
    require_own_page(request)
    given = (text((await parameters(request)).get("token")) or "").strip()
    sessions = use_cases(request).browser_sessions
    token = await sessions.check(given, address=client_address(request))
    if token is None:
        raise SignInRefused
    secret = await sessions.begin(token, visitor_of(request), instead_of=session_secret(request))
    response = json_response(
        _entity(request, token, await sessions.show(secret)), status=201, headers=_NO_STORE
    )
    set_session(request, response, secret, lasts=LASTS)
    return response


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/crossdock/v1/session: signs out. May be repeated."""
    require_own_page(request)
    await use_cases(request).browser_sessions.end(session_secret(request))
    response = web.Response(status=204)
    forget_session(request, response)
    return response


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/sessions: those of the caller, at most 100, the one that was used last first."""
    user = require_caller(request)
    found = await use_cases(request).browser_sessions.list(user, current=session_secret(request) or "")
    return json_response([_session_entity(each) for each in found], headers=_NO_STORE)


async def revoke(request: web.Request) -> web.Response:
    """DELETE /api/crossdock/v1/sessions/:session_id: ends one of the caller's sessions."""
    user = require_caller(request)
    await use_cases(request).browser_sessions.revoke(user, integer(request.match_info["session_id"]) or 0)
    return web.Response(status=204)


def _entity(
    request: web.Request, token: AccessToken | None, session: BrowserSession | None
) -> dict[str, object]:
    user = None if token is None or session is None else token.user
    of_server = {"sign_in": _ways(request), "standalone": _standalone(request, user)}
    if token is None or session is None or user is None:
        return {"user": None, "scopes": [], "expires_at": None, **of_server}
    ends = min(filter(None, (session.expires_at, token.expires_at)))
    return {
        "user": {
            "id": user.id, "username": user.username, "name": user.name, "administrator": user.is_admin,
        },
        "scopes": list(token.scopes),
        "expires_at": timestamp(ends),
        **of_server,
    }  # fmt: skip


def _standalone(request: web.Request, user: User | None) -> dict[str, object] | None:
    """Return what commands on the server need to find a standalone. Its folder is told to administrators."""
    data = request.app[DATA_FOLDER]
    return None if data is None else {"data": str(data) if user is not None and user.is_admin else None}


def _ways(request: web.Request) -> dict[str, object]:
    """Return the ways to sign in. The path is one below the external URL."""
    name = use_cases(request).openid_connect.name
    return {"token": True, "openid_connect": name and {"name": name, "path": _OPENID_CONNECT}}


def _session_entity(session: BrowserSession) -> dict[str, object]:
    return {
        "id": session.id,
        "current": session.is_current,
        "created_at": timestamp(session.created_at),
        "last_used_at": timestamp(session.last_used_at),
        "expires_at": timestamp(session.expires_at),
        "address": session.address,
        "browser": session.browser,
    }
