"""The application settings, for administrators."""

from __future__ import annotations

from aiohttp import web

from services.api.application_settings import read_changes, settings_entity, settings_for
from services.api.dependencies import DEPENDENCIES
from services.api.http.bodies import parameters
from services.api.http.responses import json_response
from services.api.permissions import require_administrator
from shared.settings.store import application_settings, change_settings


async def show(request: web.Request) -> web.Response:
    """GET /application/settings."""
    require_administrator(request)
    return json_response(settings_entity(await settings_for(request)))


async def update(request: web.Request) -> web.Response:
    """PUT /application/settings."""
    require_administrator(request)
    dependencies = request.app[DEPENDENCIES]
    await change_settings(dependencies.pool, read_changes(await parameters(request)))
    changed = await application_settings(dependencies.pool, dependencies.config.defaults)
    return json_response(settings_entity(changed))
