"""Imports of what is there already: uploads that came in pieces, archives at URLs, repositories of GitHub."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from services.api.crossdock.jobs import answer_made
from services.api.gitlab.job_origin import origin_of
from services.api.gitlab.requests.imports import read_import
from services.api.gitlab.requests.named_repositories import read_named_source
from services.api.http.bodies import parameters
from services.api.http.caller import require_caller
from services.api.http.large_fields import read_fields
from services.api.http.parameters import ParameterReader
from services.api.use_cases import use_cases
from shared.accounts.models import User
from shared.usecases.archive_sources import ArchiveSource, RemoteUrl, UploadedPieces
from shared.usecases.github_repositories import GitHubSource
from shared.usecases.imports import ImportRequest

_Source = int | str | GitHubSource
"""The number of an upload, a URL, or a repository."""


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
    reader.exclusive("upload_id", "url", "github")
    reader.require("path", or_null=True)
    if given.get("github") not in (None, ""):
        source: _Source = _read_repository(reader)
    else:
        source = _read_archive(reader)
    return read_import(reader), source


def _read_archive(reader: ParameterReader) -> int | str:
    upload_id, url = reader.integer("upload_id"), reader.text("url")
    if upload_id is None and url is None:
        reader.problem("upload_id", "is missing")
    return (url or "") if upload_id is None else upload_id


def _read_repository(reader: ParameterReader) -> GitHubSource:
    own = ParameterReader(reader.mapping("github"), prefix="github")
    source = read_named_source(own)
    reader.problems += own.problems
    return source


def _archive(caller: User, source: _Source) -> ArchiveSource:
    match source:
        case int():
            return UploadedPieces(source, caller)
        case str():
            return RemoteUrl(source)
        case GitHubSource():
            return source
