"""All failures of an import, by pages or as one stream of lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from aiohttp import web

from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.gitlab.entities import failed_relation
from services.api.http.caller import find_caller
from services.api.http.parameters import ParameterReader, integer
from services.api.http.responses import json_response
from services.api.use_cases import use_cases
from shared.jobs.models import Job
from shared.usecases.jobs import Jobs

_NDJSON = "application/x-ndjson"
_FORMATS = ("json", "ndjson")
_VARY = {"Vary": "Origin, Accept"}
_AT_ONCE = 1000
"""Failures that a stream holds at a time. Each has some hundred bytes, and 2 KiB at most."""


async def index(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /api/crossdock/v1/jobs/:id/failures: failures of the last attempt, in order."""
    if _wants_lines(request):
        return await _stream(request)
    page, job_id = cursor_page_of(request), integer(request.match_info["id"])
    found = await use_cases(request).jobs.list_failures(
        find_caller(request), job_id, after=page.behind or 0, limit=page.size + 1
    )
    shown, headers = split_page(request, page, found, number=lambda each: each.id)
    return json_response([failed_relation(each, maintains=True) for each in shown], headers=headers | _VARY)


def _wants_lines(request: web.Request) -> bool:
    """Return whether the client requests NDJSON, by ``format`` or by ``Accept``. Raises ParametersInvalid."""
    reader = ParameterReader(request.query)
    wanted = reader.choice("format", _FORMATS)
    reader.finish()
    return wanted == "ndjson" or (wanted is None and _NDJSON in request.headers.get("Accept", ""))


async def _stream(request: web.Request) -> web.StreamResponse:
    jobs = use_cases(request).jobs
    found = await jobs.show(find_caller(request), integer(request.match_info["id"]))
    if request.method == "HEAD":
        return web.Response(headers=_VARY, content_type=_NDJSON)
    response = web.StreamResponse(headers=_VARY)
    response.content_type = _NDJSON
    await response.prepare(request)
    async with aclosing(_lines(jobs, found.report.job)) as lines:
        async for some in lines:
            await response.write(some)
    await response.write_eof()
    return response


async def _lines(jobs: Jobs, job: Job) -> AsyncGenerator[bytes, None]:
    encoder, after = msgspec.json.Encoder(), 0
    while found := await jobs.list_failures_of(job, after=after, limit=_AT_ONCE):
        yield b"".join(encoder.encode(failed_relation(each, maintains=True)) + b"\n" for each in found)
        after = found[-1].id
