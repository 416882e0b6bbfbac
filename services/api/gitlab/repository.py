"""Branches and tags of an imported project, read-only and sorted by name."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api.gitlab.entities import branch_entity, tag_entity
from services.api.http.caller import find_caller
from services.api.http.pagination import page_of, page_response
from services.api.http.responses import external_url, json_response
from services.api.use_cases import use_cases
from shared.usecases.repository import Repository, sort_page


async def _with_branches(request: web.Request) -> Repository:
    repositories = use_cases(request).repositories
    return await repositories.find_branches(find_caller(request), request.match_info["id"])


async def _with_tags(request: web.Request) -> Repository:
    return await use_cases(request).repositories.find_tags(find_caller(request), request.match_info["id"])


async def branches(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/branches."""
    page = page_of(request)
    repository = await _with_branches(request)
    found = sort_page(repository.references.branches, offset=page.offset, limit=page.size)
    entity = partial(branch_entity, repository, external_url=external_url(request))
    return page_response(request, page, found, entity)


async def branch(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/branches/:branch."""
    repository = await _with_branches(request)
    name = repository.require_branch(request.match_info["branch"])
    return json_response(branch_entity(repository, name, external_url=external_url(request)))


async def tags(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/tags."""
    page = page_of(request)
    repository = await _with_tags(request)
    found = sort_page(repository.references.tags, offset=page.offset, limit=page.size)
    return page_response(request, page, found, partial(tag_entity, repository))


async def tag(request: web.Request) -> web.Response:
    """GET /projects/:id/repository/tags/:tag."""
    repository = await _with_tags(request)
    return json_response(tag_entity(repository, repository.require_tag(request.match_info["tag"])))
