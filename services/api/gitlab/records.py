"""What was imported, for those who compare: read-only lists and single records.

Newest first stands for last in the archive, as GitLab exports by id or position and a record is not read
before it is shown. A filter costs a pass over the relation, and another page of the same list none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.dependencies import DEPENDENCIES, FINDER
from services.api.gitlab import record_entities
from services.api.gitlab.record_entities import Place, RecordEntity
from services.api.gitlab.requests import records as record_filters
from services.api.gitlab.requests.records import ListParameters
from services.api.http.errors import NotFound, Refused
from services.api.http.nesting import nest
from services.api.http.pagination import Page, page_headers, page_of
from services.api.http.parameters import Checker, integer
from services.api.http.responses import json_response
from services.api.http.streams import json_list
from services.api.permissions import visible_project
from shared.projects.models import Project
from shared.records.filters import RecordFilter
from shared.records.reader import Relation, find_relation, records, records_backwards
from shared.snapshots import index

_INLINE = 64 * 1024

Numbered: TypeAlias = AsyncGenerator[tuple[int, bytes], None]
"""Records with their numbers in the relation, from 0."""

Seek: TypeAlias = Callable[[Project, Relation], Awaitable[int | None]]
"""Gives the number of a record, from 0; None where there is none."""

Read: TypeAlias = Callable[[web.Request], Seek]
"""Reads from the address which record it names. Raises 400."""


def _list_of(entity: RecordEntity, takes: ListParameters) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        """Answer one page of the relation."""
        page = page_of(request)
        wanted, backwards = takes.read(nest(request.query.items()))
        project, _ = await visible_project(request)
        relation = await _relation(request, project, entity.relation)
        if relation is None:
            return json_response([], headers=page_headers(request, page, total=0))
        total, found = await _page(request, relation, page, wanted=wanted, backwards=backwards)
        async with (
            aclosing(found),
            aclosing(_encoded(request, project, entity, found=found, most=page.size)) as items,
        ):
            return await json_list(request, items, headers=page_headers(request, page, total=total))

    return show


async def _relation(request: web.Request, project: Project, name: str) -> Relation | None:
    pool = request.app[DEPENDENCIES].pool
    snapshot_id = await index.current(pool, project.id)
    return None if snapshot_id is None else await find_relation(pool, snapshot_id, name)


async def _page(
    request: web.Request, relation: Relation, page: Page, *, wanted: RecordFilter | None, backwards: bool
) -> tuple[int, Numbered]:
    if wanted is None:
        return relation.length, _unfiltered(request, relation, page, backwards=backwards)
    finder = request.app[FINDER]
    matches = await finder.matches(relation, wanted)
    found = finder.page(relation, wanted, matches, skip=page.offset, backwards=backwards)
    return matches.total, found


async def _unfiltered(request: web.Request, relation: Relation, page: Page, *, backwards: bool) -> Numbered:
    dependencies = request.app[DEPENDENCIES]
    number, step = (relation.length - 1 - page.offset, -1) if backwards else (page.offset, 1)
    found = (
        records_backwards(dependencies.pool, dependencies.store, relation, last=number, count=page.size)
        if backwards
        else records(dependencies.pool, dependencies.store, relation, first=number, count=page.size)
    )
    async with aclosing(found) as lines:
        async for line in lines:
            yield number, line
            number += step


async def _encoded(
    request: web.Request,
    project: Project,
    entity: RecordEntity,
    *,
    found: AsyncIterator[tuple[int, bytes]],
    most: int,
) -> AsyncGenerator[bytes, None]:
    async for number, line in found:
        yield await _encode(request, project, entity, number=number, line=line)
        most -= 1
        if not most:
            return


async def _encode(
    request: web.Request, project: Project, entity: RecordEntity, *, number: int, line: bytes
) -> bytes:
    place = Place(project, number + 1, request.app[DEPENDENCIES].config.external_url)
    if len(line) <= _INLINE:
        return entity.encode(line, place)
    return await asyncio.to_thread(entity.encode, line, place)


def _single(entity: RecordEntity, read: Read, *, missing: Callable[[], Exception]) -> Handler:
    async def show(request: web.Request) -> web.Response:
        """Answer the record that the address names."""
        seek = read(request)
        project, _ = await visible_project(request)
        relation = await _relation(request, project, entity.relation)
        number = None if relation is None else await seek(project, relation)
        if relation is None or number is None or not 0 <= number < relation.length:
            raise missing()
        async with aclosing(_unfiltered(request, relation, Page(number + 1, 1), backwards=False)) as found:
            _, line = await anext(found)
        body = await _encode(request, project, entity, number=number, line=line)
        return web.Response(body=body, content_type="application/json")

    return show


def _by_iid(name: str) -> Read:
    def read(request: web.Request) -> Seek:
        wanted = RecordFilter(iids=frozenset({_number(request, name)}))
        return lambda _, relation: request.app[FINDER].first(relation, wanted)

    return read


def _by_id(name: str) -> Read:
    def read(request: web.Request) -> Seek:
        record_id = _number(request, name)

        async def seek(project: Project, _: Relation) -> int | None:
            return Place.number_of(project, record_id)

        return seek

    return read


def _number(request: web.Request, name: str) -> int:
    checker = Checker(request.match_info)
    number = checker.integer(name)
    checker.finish()
    return number or 0


def _label(request: web.Request) -> Seek:
    """Find a label by its id or else by its name, as GitLab does."""
    name = request.match_info["name"]

    async def seek(project: Project, relation: Relation) -> int | None:
        number = Place.number_of(project, integer(name) or 0)
        if number is not None and number < relation.length:
            return number
        return await request.app[FINDER].first(relation, RecordFilter(title=name))

    return seek


def _release(request: web.Request) -> Seek:
    wanted = RecordFilter(tag=request.match_info["tag_name"])
    return lambda _, relation: request.app[FINDER].first(relation, wanted)


def _not_found() -> Exception:
    """Make the answer of a search in the database, whose last word GitLab writes small."""
    return Refused(404, "404 Not found")


issues = _list_of(record_entities.ISSUES, record_filters.ISSUES)
issue = _single(record_entities.ISSUES, _by_iid("issue_iid"), missing=_not_found)
labels = _list_of(record_entities.LABELS, record_filters.LABELS)
label = _single(record_entities.LABELS, _label, missing=lambda: NotFound("Label"))
merge_requests = _list_of(record_entities.MERGE_REQUESTS, record_filters.MERGE_REQUESTS)
merge_request = _single(record_entities.MERGE_REQUESTS, _by_iid("merge_request_iid"), missing=_not_found)
milestones = _list_of(record_entities.MILESTONES, record_filters.MILESTONES)
milestone = _single(record_entities.MILESTONES, _by_id("milestone_id"), missing=_not_found)
releases = _list_of(record_entities.RELEASES, record_filters.RELEASES)
release = _single(record_entities.RELEASES, _release, missing=NotFound)
snippets = _list_of(record_entities.SNIPPETS, record_filters.SNIPPETS)
snippet = _single(record_entities.SNIPPETS, _by_id("snippet_id"), missing=_not_found)
