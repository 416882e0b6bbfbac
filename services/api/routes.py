"""Every route: what GitLab calls it, and who answers."""

from __future__ import annotations

import re
from itertools import count

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.handlers import exports, health, imports, instance, namespaces, projects


def pattern(template: str) -> str:
    """Make aiohttp's pattern of a template whose ``:id`` is one segment, ``%2F`` within it included.

    Any run of slashes counts as one, as clients join addresses carelessly.
    """
    number = count()
    tolerant = re.sub("/", lambda _: f"/{{_{next(number)}:/*}}", template)
    return tolerant.replace(":id", "{id:[^/]+}").replace(":rest", "{rest:(?:/.*)?}")


async def ask_for_body_later(_request: web.Request) -> None:
    """Leave 100-continue to who reads the body, so that a refusal comes before the body."""


def _route(method: str, template: str, handler: Handler) -> web.RouteDef:
    return web.RouteDef(method, pattern(template), handler, {"expect_handler": ask_for_body_later})


ROUTES = [
    _route("GET", "/-/health", health.health),
    _route("GET", "/-/liveness", health.liveness),
    _route("GET", "/-/readiness", health.readiness),
    _route("GET", "/api/v4/version", instance.version),
    _route("GET", "/api/v4/metadata", instance.metadata),
    _route("GET", "/api/v4/user", instance.user),
    _route("GET", "/api/v4/namespaces", namespaces.index),
    _route("GET", "/api/v4/namespaces/:id", namespaces.show),
    _route("GET", "/api/v4/groups", namespaces.index_groups),
    _route("POST", "/api/v4/groups", namespaces.create_group),
    _route("GET", "/api/v4/groups/:id", namespaces.show_group),
    _route("GET", "/api/v4/projects", projects.index),
    _route("POST", "/api/v4/projects", projects.create),
    _route("POST", "/api/v4/projects/import", imports.create),
    _route("GET", "/api/v4/projects/:id", projects.show),
    _route("DELETE", "/api/v4/projects/:id", projects.delete),
    _route("GET", "/api/v4/projects/:id/import", imports.show),
    _route("POST", "/api/v4/projects/:id/export", exports.create),
    _route("GET", "/api/v4/projects/:id/export", exports.show),
    _route("GET", "/api/v4/projects/:id/export/download", exports.download),
    _route("*", "/api/v3:rest", instance.old_version),
]
