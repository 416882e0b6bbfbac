"""Imports of archives that are there already: of an upload that came in pieces, or at a URL."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from services.api.crossdock.jobs import answer_made
from services.api.gitlab.job_origin import origin_of
from services.api.gitlab.requests.imports import read_import
from services.api.http.bodies import parameters
from services.api.http.caller import require_caller
from services.api.http.large_fields import read_fields
from services.api.http.parameters import ParameterReader
from services.api.use_cases import use_cases
from shared.accounts.models import User
from shared.usecases.archive_sources import ArchiveSource, RemoteUrl, UploadedPieces
from shared.usecases.imports import ImportRequest

_Source = int | str
"""The number of an upload, or a URL."""


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/imports: responds with the job."""
    caller, given = require_caller(request), await parameters(request)
    wanted, source = await read_fields(_read, given, given)
    scheduled = await use_cases(request).remote_imports.schedule(
        caller, wanted, _archive(caller, source), origin=origin_of(request)
    )
    return answer_made(request, await use_cases(request).jobs.report(scheduled))


def _read(given: Mapping[str, object]) -> tuple[ImportRequest, _Source]:
    """Read the request. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    upload_id, url = reader.integer("upload_id"), reader.text("url")
    if upload_id is None and url is None:
        reader.problem("upload_id", "is missing")
    reader.exclusive("upload_id", "url")
    reader.require("path", or_null=True)
    source: _Source = (url or "") if upload_id is None else upload_id
    return read_import(reader), source


def _archive(caller: User, source: _Source) -> ArchiveSource:
    return UploadedPieces(source, caller) if isinstance(source, int) else RemoteUrl(source)
