"""Projects that are fetched from a destination that is a GitLab or a Crossdock, or sent to it."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from services.api.crossdock.destination_fields import read_namespace
from services.api.crossdock.destinations import find_own
from services.api.crossdock.jobs import answer_made
from services.api.gitlab.job_origin import origin_of
from services.api.gitlab.requests.imports import read_import
from services.api.gitlab.requests.selection import read_selection
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller, require_caller
from services.api.http.large_fields import read_fields
from services.api.http.parameters import ParameterReader
from services.api.use_cases import use_cases
from shared.usecases.imports import ImportRequest
from shared.usecases.peer_transfers import SendRequest


async def fetch(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/destinations/:destination_id/import: responds with the job."""
    caller, destination = require_caller(request), await find_own(request)
    given = await parameters(request)
    reference, wanted = await read_fields(_read_fetch, given, given)
    transfers = use_cases(request).peer_transfers
    made = await transfers.fetch(caller, destination, reference, wanted, origin=origin_of(request))
    return answer_made(request, made)


async def send(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/destinations/:destination_id/export: responds with the job."""
    destination = await find_own(request)
    reference, wanted = _read_send(await parameters(request))
    exportable = await use_cases(request).exports.find_exportable(find_caller(request), reference)
    transfers = use_cases(request).peer_transfers
    return answer_made(
        request, await transfers.send(exportable, destination, wanted, origin=origin_of(request))
    )


def _read_fetch(given: Mapping[str, object]) -> tuple[str, ImportRequest]:
    reader = ParameterReader(given)
    reader.require("project")
    reference = (reader.text("project") or "").strip("/")
    return reference, read_import(reader)


def _read_send(given: Mapping[str, object]) -> tuple[str, SendRequest]:
    reader = ParameterReader(given)
    reader.require("project")
    reference, path = reader.text("project") or "", reader.text("path")
    namespace, overwrite = read_namespace(reader), reader.boolean("overwrite")
    selection = read_selection(reader)
    reader.finish()
    return reference, SendRequest(
        path=path or None, namespace=namespace, overwrite=overwrite, selection=selection
    )
