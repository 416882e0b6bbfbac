"""Exports of a project, and their download."""

from __future__ import annotations

from aiohttp import web

from services.api.gitlab.entities import export_status
from services.api.gitlab.job_origin import origin_of
from services.api.gitlab.requests.exports import read_order, read_wanted
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.downloads import send_file
from services.api.http.responses import accepted_response, external_url, job_header, json_response
from services.api.use_cases import use_cases


async def create(request: web.Request) -> web.Response:
    """POST /projects/:id/export."""
    exports = use_cases(request).exports
    exportable = await exports.find_exportable(find_caller(request), request.match_info["id"])
    order = read_order(await parameters(request))
    scheduled = await exports.schedule(exportable, order, origin=origin_of(request))
    return accepted_response(headers=job_header(scheduled.job))


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id/export."""
    found = await use_cases(request).exports.status(find_caller(request), request.match_info["id"])
    return json_response(export_status(found.project, found.status, external_url=external_url(request)))


async def download(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /projects/:id/export/download.

    The ranges of a file count against the rate limit once in a minute, and a HEAD request never.
    """
    exports, wanted = use_cases(request).exports, read_wanted(request)
    async with exports.download(find_caller(request), request.match_info["id"], wanted=wanted) as file:
        return await send_file(request, file)
