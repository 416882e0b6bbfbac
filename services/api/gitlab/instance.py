"""The version and the application settings of this server."""

from __future__ import annotations

from aiohttp import web

from services.api.gitlab.requests.settings import read_settings, settings_entity
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller, require_caller
from services.api.http.errors import VersionGone
from services.api.http.responses import json_response
from services.api.use_cases import use_cases
from shared.usecases.access import require_administrator

_VERSION = {"version": "18.9.0", "revision": "crossdock"}
"""The version of GitLab whose behaviour this API follows."""


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
    """All addresses below /api/v3."""
    raise VersionGone


async def settings(request: web.Request) -> web.Response:
    """GET /application/settings."""
    return json_response(settings_entity(await use_cases(request).settings.show(find_caller(request))))


async def change_settings(request: web.Request) -> web.Response:
    """PUT /application/settings."""
    caller = require_administrator(find_caller(request))
    changes = read_settings(await parameters(request))
    return json_response(settings_entity(await use_cases(request).settings.change(caller, changes)))
