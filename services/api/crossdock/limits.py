"""The limits that hold for the caller, so that a client can look before it sends."""

from __future__ import annotations

from aiohttp import web

from services.api import rate_limits
from services.api.application_settings import settings_for
from services.api.crossdock.cursors import LARGEST
from services.api.dependencies import DEPENDENCIES
from services.api.http.bodies import LARGEST_BODY
from services.api.http.form_data import LARGEST_FIELD, LARGEST_FIELDS, MOST_PARTS
from services.api.http.responses import json_response, timestamp
from services.api.middleware.identify import require_caller
from services.api.rate_limits import Standing
from shared.accounts.models import User
from shared.archive.limits import Limits
from shared.database.pool import Database, one_moment
from shared.idempotency.store import KEPT_FOR
from shared.ledger.objects import RETRIED_WITHIN
from shared.projects.store import count_own
from shared.settings.application import GITLAB_PROJECT, ApplicationSettings
from shared.settings.environment import MIB
from shared.webhooks.store import MOST


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/limits. Sizes are in bytes; null is no limit."""
    caller, settings = require_caller(request), await settings_for(request)
    dependencies = request.app[DEPENDENCIES]
    async with one_moment(dependencies.pool) as db:
        return json_response(
            {
                "imports": await _imports(db, caller, settings),
                "exports": await _exports(db, caller, settings),
                "archive": _archive(dependencies.config.limits, settings),
                "projects": {"limit": caller.projects_limit, "used": await count_own(db, caller.id)},
                "webhooks": {"limit": MOST},
                "requests": _REQUESTS,
            }
        )


_REQUESTS = {
    "body_size": LARGEST_BODY,
    "form_parts": MOST_PARTS,
    "form_field_size": LARGEST_FIELD,
    "form_fields_size": LARGEST_FIELDS,
    "per_page": LARGEST,
    "idempotency_key_seconds": int(KEPT_FOR.total_seconds()),
}
"""What holds for every request; uploads have their own limit."""


async def _imports(db: Database, caller: User, settings: ApplicationSettings) -> dict[str, object]:
    limit = settings.project_import_limit
    return {
        "enabled": GITLAB_PROJECT in settings.import_sources,
        "upload_size": _size(settings.max_import_size),
        "remote_size": _size(settings.max_import_remote_file_size),
        "rate": _rate(await rate_limits.standing(db, "project_import", caller.id, limit=limit)),
        "retry_seconds": int(RETRIED_WITHIN.total_seconds()),
    }


async def _exports(db: Database, caller: User, settings: ApplicationSettings) -> dict[str, object]:
    limit = settings.project_export_limit
    return {
        "enabled": settings.project_export_enabled,
        "content_size": _size(settings.max_export_size),
        "rate": _rate(await rate_limits.standing(db, "project_export", caller.id, limit=limit)),
        "downloads_per_minute_and_namespace": settings.project_download_export_limit or None,
        "retention_seconds": int(settings.retention.total_seconds()),
    }


def _archive(limits: Limits, settings: ApplicationSettings) -> dict[str, object]:
    return {
        "decompressed_size": _size(settings.max_decompressed_archive_size),
        "entries": limits.entries,
        "entry_name_size": limits.name,
        "line_size": limits.line,
        "json_depth": limits.depth,
    }


def _size(mebibytes: int) -> int | None:
    return mebibytes * MIB or None


def _rate(standing: Standing) -> dict[str, object] | None:
    """Make what is left of a minute; null where there is no limit."""
    if not standing.limit:
        return None
    return {
        "per_minute": standing.limit,
        "remaining": max(0, standing.limit - standing.used),
        "reset_at": None if standing.reset_at is None else timestamp(standing.reset_at),
    }
