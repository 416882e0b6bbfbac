"""Imported records, read-only, for clients that verify an import: lists and single records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.gitlab import record_entities
from services.api.gitlab.record_entities import Place, RecordEntity
from services.api.gitlab.requests import records as lists
from services.api.gitlab.requests.accounts import read_id
from services.api.gitlab.requests.records import ListParameters
from services.api.http.caller import find_caller
from services.api.http.nesting import nest
from services.api.http.pagination import page_headers, page_of
from services.api.http.parameters import integer
from services.api.http.places import holder_of
from services.api.http.responses import external_url, json_response
from services.api.http.streams import json_list
from services.api.use_cases import use_cases
from shared.projects.models import Project
from shared.records.filters import RecordFilter
from shared.records.reader import Relation
from shared.usecases.content import ReadableContent
from shared.usecases.errors import NotFound, RecordNotFound
from shared.usecases.records import FoundRecord, Locator, NumberedRecords

_INLINE = 64 * 1024

ReadLocator: TypeAlias = Callable[[web.Request], Locator]
"""Reads from the address which record the client requests. Raises ParametersInvalid."""


def _list_of(entity: RecordEntity, takes: ListParameters) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        """Respond with one page of the relation."""
        page = page_of(request)
        query = takes.read(nest(request.query.items()), entity.relation, page)
        found = await use_cases(request).records.read_page(
            find_caller(request), request.match_info["id"], query, holder=holder_of(request)
        )
        headers = page_headers(request, page, total=found.total)
        if found.records is None:
            return json_response([], headers=headers)
        return await _send_page(request, entity, found.content, found.records, headers=headers)

    return show


async def _send_page(
    request: web.Request,
    entity: RecordEntity,
    content: ReadableContent,
    records: NumberedRecords,
    *,
    headers: Mapping[str, str],
) -> web.StreamResponse:
    lines = _encode_page(records, content, entity, external_url=external_url(request))
    async with aclosing(lines) as items:
        return await json_list(request, items, headers=headers)


async def _encode_page(
    records: NumberedRecords, content: ReadableContent, entity: RecordEntity, *, external_url: str
) -> AsyncGenerator[bytes, None]:
    async with aclosing(records):
        async for number, line in records:
            place = Place(content.project, number + 1, external_url, content.policy)
            yield await _encode(entity, line, place)


async def _encode(entity: RecordEntity, line: bytes, place: Place) -> bytes:
    if len(line) <= _INLINE:
        return entity.encode(line, place)
    return await asyncio.to_thread(entity.encode, line, place)


def _single(entity: RecordEntity, read: ReadLocator, *, missing: Callable[[], Exception]) -> Handler:
    async def show(request: web.Request) -> web.Response:
        """Respond with the record that the address names."""
        locate, reference = read(request), request.match_info["id"]
        records = use_cases(request).records
        found = await records.find(find_caller(request), reference, entity.relation, locate)
        if found is None:
            raise missing()
        return await _answer(request, entity, found)

    return show


async def _answer(request: web.Request, entity: RecordEntity, found: FoundRecord) -> web.Response:
    content = found.content
    place = Place(content.project, found.number + 1, external_url(request), content.policy)
    return web.Response(body=await _encode(entity, found.line, place), content_type="application/json")


def _by_iid(name: str) -> ReadLocator:
    def read(request: web.Request) -> Locator:
        wanted = RecordFilter(iids=frozenset({read_id(request.match_info, name)}))
        return lambda _, relation: _find_first(request, relation, wanted)

    return read


def _by_id(name: str) -> ReadLocator:
    def read(request: web.Request) -> Locator:
        record_id = read_id(request.match_info, name)

        async def locate(project: Project, _: Relation) -> int | None:
            return Place.number_of(project, record_id)

        return locate

    return read


def _label(request: web.Request) -> Locator:
    """Find a label by its id or, if there is none, by its name, as GitLab does."""
    name = request.match_info["name"]

    async def locate(project: Project, relation: Relation) -> int | None:
        number = Place.number_of(project, integer(name) or 0)
        if number is not None and number < relation.length:
            return number
        return await _find_first(request, relation, RecordFilter(title=name))

    return locate


def _release(request: web.Request) -> Locator:
    wanted = RecordFilter(tag=request.match_info["tag_name"])
    return lambda _, relation: _find_first(request, relation, wanted)


async def _find_first(request: web.Request, relation: Relation, wanted: RecordFilter) -> int | None:
    return await use_cases(request).records.find_first(relation, wanted, holder=holder_of(request))


issues = _list_of(record_entities.ISSUES, lists.ISSUES)
issue = _single(record_entities.ISSUES, _by_iid("issue_iid"), missing=RecordNotFound)
labels = _list_of(record_entities.LABELS, lists.LABELS)
label = _single(record_entities.LABELS, _label, missing=lambda: NotFound("Label"))
merge_requests = _list_of(record_entities.MERGE_REQUESTS, lists.MERGE_REQUESTS)
merge_request = _single(record_entities.MERGE_REQUESTS, _by_iid("merge_request_iid"), missing=RecordNotFound)
milestones = _list_of(record_entities.MILESTONES, lists.MILESTONES)
milestone = _single(record_entities.MILESTONES, _by_id("milestone_id"), missing=RecordNotFound)
releases = _list_of(record_entities.RELEASES, lists.RELEASES)
release = _single(record_entities.RELEASES, _release, missing=NotFound)
snippets = _list_of(record_entities.SNIPPETS, lists.SNIPPETS)
snippet = _single(record_entities.SNIPPETS, _by_id("snippet_id"), missing=RecordNotFound)
