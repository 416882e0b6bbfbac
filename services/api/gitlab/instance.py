"""The caller's own account, and what this server says of itself."""

from __future__ import annotations

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.entities import user_entity
from services.api.http.errors import ApiError
from services.api.http.responses import json_response
from services.api.middleware.identify import require_caller

_VERSION = {"version": "18.9.0", "revision": "crossdock"}
"""The GitLab whose behaviour this follows."""


async def user(request: web.Request) -> web.Response:
    """GET /user."""
    caller = require_caller(request)
    return json_response(user_entity(caller, external_url=request.app[DEPENDENCIES].config.external_url))


async def version(request: web.Request) -> web.Response:
    """GET /version."""
    require_caller(request)
    return json_response(_VERSION)


async def metadata(request: web.Request) -> web.Response:
    """GET /metadata."""
    require_caller(request)
    kas = {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None}
    return json_response({**_VERSION, "kas": kas, "enterprise": False})


async def old_version(_request: web.Request) -> web.Response:
    """Anything below /api/v3."""
    raise ApiError(410, {"error": "API V3 is no longer supported. Use API V4 instead."})
