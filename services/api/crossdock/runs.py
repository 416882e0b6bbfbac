"""Runs of schedules, and what came of each project."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.crossdock.schedules import find_schedule
from services.api.http.caller import find_caller, require_caller
from services.api.http.parameters import ParameterReader, integer
from services.api.http.responses import external_url, json_response, timestamp
from services.api.use_cases import use_cases
from shared.schedules.models import ProjectState, Run, RunProject

_STATES = {state.value: state for state in ProjectState}


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/schedules/:schedule_id/runs, the newest first."""
    schedule, cut = await find_schedule(request), cursor_page_of(request)
    found = await use_cases(request).runs.list(schedule, below=cut.behind, limit=cut.size + 1)
    shown, headers = split_page(request, cut, found, number=lambda each: each.id)
    return json_response([run_entity(each) for each in shown], headers=headers)


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/schedules/:schedule_id/run: also of one that is paused."""
    run = await use_cases(request).runs.start(await find_schedule(request))
    location = {"Location": f"{external_url(request)}/api/crossdock/v1/runs/{run.id}"}
    return json_response(run_entity(run), status=202, headers=location)


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/runs/:run_id."""
    return json_response(run_entity(await _run(request)))


async def projects(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/runs/:run_id/projects: of one ``state``, where that is given."""
    run, cut = await _run(request), cursor_page_of(request)
    reader = ParameterReader(request.query)
    state = reader.choice("state", _STATES)
    reader.finish()
    found = await use_cases(request).runs.list_projects(
        run, state=_STATES[state] if state else None, behind=cut.behind, limit=cut.size + 1
    )
    shown, headers = split_page(request, cut, found, number=lambda each: each.id)
    return json_response([_project_entity(each) for each in shown], headers=headers)


async def cancel(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/runs/:run_id/cancel: its jobs end soon, and then it does."""
    run = await _run(request)
    return json_response(run_entity(await use_cases(request).runs.cancel(require_caller(request), run)))


async def _run(request: web.Request) -> Run:
    number = integer(request.match_info["run_id"]) or 0
    return await use_cases(request).runs.show(find_caller(request), number)


def run_entity(run: Run) -> dict[str, object]:
    """Make a run, with the number of its projects in each state."""
    return {
        "id": run.id,
        "schedule_id": run.schedule_id,
        "due_at": timestamp(run.due_at),
        "cause": run.cause.value,
        "missed": run.missed,
        "state": run.state.value,
        "canceled": run.is_canceled,
        "canceled_by": run.canceled_by,
        "projects": {state.value: run.counts.get(state, 0) for state in ProjectState},
        "error": run.error,
        "error_code": run.error_code,
        "created_at": timestamp(run.created_at),
        "started_at": timestamp(run.started_at) if run.started_at else None,
        "finished_at": timestamp(run.finished_at) if run.finished_at else None,
    }


def _project_entity(project: RunProject) -> dict[str, object]:
    return {
        "id": project.id,
        "project_id": project.project_id,
        "path_with_namespace": project.path,
        "state": project.state.value,
        "job_id": project.job_id,
        "why": project.why,
        "code": project.code,
        "file": project.file,
        "size": project.size,
        "sha256": project.sha256,
        "manifest_sha256": project.manifest_sha256,
        "finished_at": timestamp(project.finished_at) if project.finished_at else None,
    }
