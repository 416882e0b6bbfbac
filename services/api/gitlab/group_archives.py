"""Archives of groups: their import."""

from __future__ import annotations

from aiohttp import web

from services.api.gitlab.requests.group_archives import read_group_upload
from services.api.gitlab.requests.imports import archive_of
from services.api.gitlab.upload_forms import receive_form
from services.api.http.responses import json_response
from services.api.use_cases import use_cases
from shared.group_archives.reading import LARGEST


async def create(request: web.Request) -> web.Response:
    """POST /groups/import. All is done when it answers, as an archive of groups is small."""
    async with receive_form(request, limit=LARGEST) as (caller, form):
        wanted = read_group_upload(form)
        archives = use_cases(request).group_archives
        parent = await archives.find_parent(caller, wanted)
        left_out = await archives.load(caller, wanted, archive_of(form), parent=parent)
    body: dict[str, object] = {"message": "202 Accepted"}
    if left_out.count:
        body |= {"left_out_count": left_out.count, "left_out": left_out.reasons}
    return json_response(body, status=202)
