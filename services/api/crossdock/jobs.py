"""Jobs, for maintainers of their projects."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.crossdock.entities import Viewer, job_entity, last_word_entity
from services.api.gitlab.job_origin import origin_of
from services.api.http.caller import find_caller, require_caller
from services.api.http.parameters import ParameterReader, integer
from services.api.http.responses import external_url, job_header, json_response
from services.api.use_cases import use_cases
from shared.jobs.models import JobKind, JobState
from shared.usecases.errors import NotFound
from shared.usecases.jobs import JobFilter, ReportedJob

KINDS = {kind.shown: [each for each in JobKind if each.shown == kind.shown] for kind in JobKind}
"""The kinds that users are told, and those that each of them stands for."""

_STATES = {state.value: state for state in JobState}


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/jobs: the newest first."""
    caller, cut = require_caller(request), cursor_page_of(request)
    position = await use_cases(request).events.find_position()
    found = await use_cases(request).jobs.list(caller, _filter(request), below=cut.behind, limit=cut.size + 1)
    shown, headers = split_page(request, cut, found, number=lambda each: each.report.job.id)
    viewer = _viewer(request)
    entities = [
        job_entity(each.report, each.details, full_path=each.full_path, viewer=viewer) for each in shown
    ]
    return json_response(entities, headers=headers | _position_header(position))


def _position_header(position: int | None) -> dict[str, str]:
    """Return the header with the event up to which a list is true: a stream goes on from there."""
    return {} if position is None else {"Last-Event-ID": str(position)}


def _filter(request: web.Request) -> JobFilter:
    """Read the filter of the list. Raises ParametersInvalid."""
    reader = ParameterReader(request.query)
    kinds, states = reader.choices("kind", KINDS), reader.choices("state", _STATES)
    mine = reader.boolean("mine", default=False)
    reader.exclusive("mine", "user")
    created = reader.moment("created_after"), reader.moment("created_before")
    finished = reader.moment("finished_after"), reader.moment("finished_before")
    project, user, code = reader.text("project"), reader.text("user"), reader.text("code")
    search, namespace = reader.text("search"), reader.text("namespace")
    reader.finish()
    return JobFilter(
        kinds=[each for kind in kinds for each in KINDS[kind]] or None,
        states=[_STATES[state] for state in states] or None,
        search=search,
        namespace=namespace,
        code=code,
        project=project,
        user=user,
        mine=bool(mine),
        created_after=created[0],
        created_before=created[1],
        finished_after=finished[0],
        finished_before=finished[1],
    )


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/jobs/:id, also of a job that went with its project."""
    caller, job_id = find_caller(request), integer(request.match_info["id"])
    try:
        return _answer(request, await use_cases(request).jobs.show(caller, job_id))
    except NotFound:
        word = await use_cases(request).events.find_last_word(caller, job_id)
        return json_response(last_word_entity(word, _viewer(request)))


async def cancel(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/jobs/:id/cancel."""
    job_id = integer(request.match_info["id"])
    return _answer(request, await use_cases(request).jobs.cancel(find_caller(request), job_id))


async def retry(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/jobs/:id/retry: responds with the new job."""
    caller, job_id = find_caller(request), integer(request.match_info["id"])
    made = await use_cases(request).jobs.retry(caller, job_id, origin=origin_of(request))
    return answer_made(request, made)


def answer_made(request: web.Request, made: ReportedJob) -> web.Response:
    """Answer with a job that was made."""
    return _answer(request, made, status=201, headers=job_header(made.report.job))


def _answer(
    request: web.Request, found: ReportedJob, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    entity = job_entity(
        found.report, found.details, full_path=found.project.full_path, viewer=_viewer(request)
    )
    return json_response(entity, status=status, headers=headers)


def _viewer(request: web.Request) -> Viewer:
    return Viewer(require_caller(request), external_url(request))
