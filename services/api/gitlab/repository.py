"""Branches and tags of an imported project: read-only, in the order of their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.http.errors import NotFound
from services.api.http.pagination import page_of, page_response
from services.api.http.responses import json_response
from services.api.permissions import visible_project
from services.api.references import branch_entity, in_order, references_of, tag_entity
from shared.git.references import References
from shared.projects.models import Project


async def _references(request: web.Request) -> tuple[Project, References]:
    project, _ = await visible_project(request)
    return project, await references_of(request.app[DEPENDENCIES], project)


def _branch_entity(
    request: web.Request, project: Project, references: References
) -> Callable[[str], dict[str, object]]:
    web_url = f"{request.app[DEPENDENCIES].config.external_url}/{project.full_path}"
    return partial(branch_entity, references, default=references.default_branch, web_url=web_url)


async def branches(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/branches."""
    page = page_of(request)
    project, references = await _references(request)
    found = in_order(references.branches, offset=page.offset, limit=page.size)
    return page_response(request, page, found, _branch_entity(request, project, references))


async def branch(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/branches/:branch."""
    project, references = await _references(request)
    name = request.match_info["branch"]
    if name not in references.branches:
        raise NotFound("Branch")
    return json_response(_branch_entity(request, project, references)(name))


async def tags(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/tags."""
    page = page_of(request)
    _, references = await _references(request)
    found = in_order(references.tags, offset=page.offset, limit=page.size)
    return page_response(request, page, found, partial(tag_entity, references))


async def tag(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/tags/:tag."""
    _, references = await _references(request)
    name = request.match_info["tag"]
    if name not in references.tags:
        raise NotFound("Tag")
    return json_response(tag_entity(references, name))
