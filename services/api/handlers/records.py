"""Lists of what was imported, for those who compare counts: read-only, in the order of the archive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api import record_entities
from services.api.dependencies import DEPENDENCIES
from services.api.pagination import Page, page_headers, page_of
from services.api.permissions import visible_project
from services.api.record_entities import Place, RecordEntity
from services.api.responses import json_response
from services.api.streams import json_list
from shared.projects.models import Project
from shared.snapshots import index
from shared.snapshots.records import Relation, find_relation, records

_INLINE = 64 * 1024


def _list_of(entity: RecordEntity) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        """Answer one page of the relation."""
        page = page_of(request)
        project, _ = await visible_project(request)
        relation = await _relation(request, project, entity.relation)
        headers = page_headers(request, page, total=relation.length if relation else 0)
        if relation is None:
            return json_response([], headers=headers)
        async with aclosing(_items(request, project, entity, relation=relation, page=page)) as items:
            return await json_list(request, items, headers=headers)

    return show


async def _relation(request: web.Request, project: Project, name: str) -> Relation | None:
    pool = request.app[DEPENDENCIES].pool
    snapshot_id = await index.current(pool, project.id)
    return None if snapshot_id is None else await find_relation(pool, snapshot_id, name)


async def _items(
    request: web.Request, project: Project, entity: RecordEntity, *, relation: Relation, page: Page
) -> AsyncGenerator[bytes, None]:
    dependencies = request.app[DEPENDENCIES]
    number = page.offset
    found = records(dependencies.pool, dependencies.store, relation, first=number, count=page.size)
    async with aclosing(found) as lines:
        async for line in lines:
            number += 1
            place = Place(project, number, dependencies.config.external_url)
            if len(line) <= _INLINE:
                yield entity.encode(line, place)
            else:
                yield await asyncio.to_thread(entity.encode, line, place)


issues = _list_of(record_entities.ISSUES)
labels = _list_of(record_entities.LABELS)
merge_requests = _list_of(record_entities.MERGE_REQUESTS)
milestones = _list_of(record_entities.MILESTONES)
releases = _list_of(record_entities.RELEASES)
snippets = _list_of(record_entities.SNIPPETS)
