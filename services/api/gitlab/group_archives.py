"""Archives of groups: their import and export."""

from __future__ import annotations

import json
from contextlib import aclosing

from aiohttp import web

from services.api.gitlab.requests.group_archives import read_group_upload
from services.api.gitlab.requests.imports import archive_of
from services.api.gitlab.upload_forms import receive_form
from services.api.http.caller import find_caller
from services.api.http.download_places import DOWNLOADS
from services.api.http.downloads import file_headers
from services.api.http.places import holder_of
from services.api.http.responses import accepted_response
from services.api.http.streams import send_pieces
from services.api.use_cases import use_cases
from shared.group_archives.left_out import LeftOut
from shared.group_archives.reading import LARGEST

LEFT_OUT = "X-Crossdock-Left-Out"

_LONGEST_HEADER = 4096


async def create(request: web.Request) -> web.Response:
    """POST /groups/import. All is done when it answers, as an archive of groups is small."""
    async with receive_form(request, limit=LARGEST) as (caller, form):
        wanted = read_group_upload(form)
        archives = use_cases(request).group_archives
        parent = await archives.find_parent(caller, wanted)
        left_out = await archives.load(caller, wanted, archive_of(form), parent=parent)
    return accepted_response(headers=_left_out_header(left_out) if left_out.count else None)


def _left_out_header(left_out: LeftOut) -> dict[str, str]:
    """Return the header with what was left out: ASCII, and as many reasons as clients take in a line."""
    reasons = list(left_out.reasons)
    while len(header := json.dumps({"count": left_out.count, "reasons": reasons})) > _LONGEST_HEADER:
        reasons.pop()
    return {LEFT_OUT: header}


async def ask(request: web.Request) -> web.Response:
    """POST /groups/:id/export."""
    await use_cases(request).group_archives.ask(find_caller(request), request.match_info["id"])
    return accepted_response()


async def download(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /groups/:id/export/download. A HEAD request never counts against the rate limit."""
    file = await use_cases(request).group_archives.download(
        find_caller(request), request.match_info["id"], counts=request.method != "HEAD"
    )
    place = request.app[DOWNLOADS].hold(holder_of(request), f"group {file.group_id}")
    async with aclosing(file.pieces) as pieces, place:
        return await send_pieces(request, pieces, headers=file_headers(file.file_name))
