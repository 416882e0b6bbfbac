"""The limits of the caller, so that clients can check them before they upload."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from services.api.crossdock.bounds import BOUNDS, bounds_entity
from services.api.crossdock.cursors import LARGEST
from services.api.http.bodies import LARGEST_BODY
from services.api.http.caller import find_caller
from services.api.http.form_data import LARGEST_FIELD, LARGEST_FIELDS, MOST_PARTS
from services.api.http.places import PLACES, holder_of
from services.api.http.responses import json_response, optional_timestamp
from services.api.use_cases import UseCases, use_cases
from services.listener.site import CONNECTIONS
from shared.accounts.rate_limits import RateLimitUsage
from shared.idempotency.store import KEPT_FOR
from shared.ledger.objects import RETRIED_WITHIN
from shared.settings.application import GITLAB_PROJECT
from shared.settings.environment import MIB
from shared.usecases.standing import UserLimits
from shared.usecases.webhooks import TESTS_PER_MINUTE


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/limits. Sizes are in bytes; null means no limit."""
    uses = use_cases(request)
    found = await uses.standings.show(find_caller(request))
    bounds = request.app[BOUNDS]
    own = {
        "webhooks": {
            "limit": uses.webhooks.limit,
            "senders": bounds.webhook_senders,
            "tests_per_minute": TESTS_PER_MINUTE,
        },
        "destinations": {"limit": uses.destinations.limit},
        "schedules": {"limit": uses.schedules.limit},
        "uploads": _uploads(uses),
        "connections": _connections(request),
        "places": _places(request),
    }
    return json_response({**_entity(found), **bounds_entity(bounds), **own})


def _uploads(uses: UseCases) -> dict[str, object]:
    """Return the limits of uploads that go on after a cut, and whether there are direct ones."""
    rules, direct = uses.resumable_uploads.rules, uses.direct_uploads.is_available
    return {"limit": rules.limit, "unused_seconds": rules.kept.total_seconds(), "direct": direct}


def _connections(request: web.Request) -> dict[str, object]:
    """Return the limits of connections to this process."""
    limits = request.app[CONNECTIONS].limits
    return {
        "total": limits.most,
        "share": limits.most_of_a_peer,
        "head_seconds": limits.head.total_seconds(),
        "idle_seconds": limits.idle.total_seconds(),
        "least_rate": limits.rate,
        "least_rate_grace_seconds": limits.grace.total_seconds(),
    }


def _places(request: web.Request) -> dict[str, object]:
    """Return the places of each kind, and those that the caller holds, all of this process."""
    holder = holder_of(request)
    return {
        places.limits.name: {
            "total": places.limits.total,
            "share": places.limits.share,
            "held": places.held_by(holder),
            "waiting": places.limits.waiting_each,
            "waiting_total": places.limits.waiting,
            "patience_seconds": places.limits.patience.total_seconds(),
        }
        for places in request.app[PLACES].all()
    }


def _entity(found: UserLimits) -> dict[str, object]:
    return {
        "records": {"pass_seconds": found.longest_pass.total_seconds()},
        "imports": _imports(found),
        "exports": _exports(found),
        "archive": _archive(found),
        "projects": {"limit": found.user.projects_limit, "used": found.own_projects},
        "requests": _REQUESTS,
    }


_REQUESTS = {
    "body_size": LARGEST_BODY,
    "form_parts": MOST_PARTS,
    "form_field_size": LARGEST_FIELD,
    "form_fields_size": LARGEST_FIELDS,
    "per_page": LARGEST,
    "idempotency_key_seconds": int(KEPT_FOR.total_seconds()),
}
"""The limits of all requests but uploads."""


def _imports(found: UserLimits) -> dict[str, object]:
    settings = found.settings
    return {
        "enabled": GITLAB_PROJECT in settings.import_sources,
        "upload_size": _size(settings.max_import_size),
        "remote_size": _size(settings.max_import_remote_file_size),
        "rate": _rate(found.imports),
        "github_rate": _rate(found.github_imports),
        "retry_seconds": int(RETRIED_WITHIN.total_seconds()),
    }


def _exports(found: UserLimits) -> dict[str, object]:
    settings = found.settings
    return {
        "enabled": settings.project_export_enabled,
        "content_size": _size(settings.max_export_size),
        "rate": _rate(found.exports),
        "downloads_per_minute_and_project": settings.project_download_export_limit or None,
        "retention_seconds": int(settings.retention.total_seconds()),
    }


def _archive(found: UserLimits) -> dict[str, object]:
    return {
        "decompressed_size": _size(found.settings.max_decompressed_archive_size),
        "entries": found.archive.entries,
        "entry_name_size": found.archive.name,
        "line_size": found.archive.line,
        "json_depth": found.archive.depth,
        "prices": asdict(found.archive.prices),
    }


def _size(mebibytes: int) -> int | None:
    return mebibytes * MIB or None


def _rate(standing: RateLimitUsage) -> dict[str, object] | None:
    """Make the usage of a rate limit in the current minute; null without a limit."""
    if not standing.limit:
        return None
    return {
        "per_minute": standing.limit,
        "remaining": max(0, standing.limit - standing.used),
        "reset_at": optional_timestamp(standing.reset_at),
    }
