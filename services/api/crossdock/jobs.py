"""Jobs, to those who may administer their projects."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock import retrying
from services.api.crossdock.cursors import Cut, cut_of, paged
from services.api.crossdock.entities import job_entity
from services.api.dependencies import DEPENDENCIES
from services.api.http.errors import Forbidden, NotFound, Refused
from services.api.http.parameters import Checker, integer
from services.api.http.responses import job_header, json_response
from services.api.middleware.identify import require_caller
from services.api.permissions import project_level, sees
from shared.accounts.models import AccessLevel, User
from shared.accounts.users import find_user_by_reference
from shared.database.pool import Database, one_moment
from shared.jobs import store as jobs
from shared.jobs.lists import JobQuery, list_jobs
from shared.jobs.models import JobKind, JobReport, JobState
from shared.jobs.outbox import announce
from shared.projects import store
from shared.projects.models import Project

_KINDS = {kind.value: kind for kind in JobKind}
_STATES = {state.value: state for state in JobState}


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/jobs, the newest first."""
    caller = require_caller(request)
    cut = cut_of(request)
    async with one_moment(request.app[DEPENDENCIES].pool) as db:
        query = await _query(request, db, caller, cut)
        # Of a project that is named it is known that the caller administers it.
        sees_all = caller.is_admin or query.project_id is not None
        found = await list_jobs(db, query, administrator=None if sees_all else caller)
    shown, headers = paged(request, cut, found, number=lambda each: each.report.job.id)
    entities = [
        job_entity(each.report, full_path=each.full_path, shows_worker=caller.is_admin) for each in shown
    ]
    return json_response(entities, headers=headers)


async def _query(request: web.Request, db: Database, caller: User, cut: Cut) -> JobQuery:
    """Read what is asked for, and one job more, which tells whether there are more. Raises 400, 403, 404."""
    checker = Checker(request.query)
    kind, state = checker.choice("kind", _KINDS), checker.choice("state", _STATES)
    mine = checker.boolean("mine", default=False)
    checker.exclusive("mine", "user")
    names = ("created_after", "created_before", "finished_after", "finished_before")
    moments = {name: checker.moment(name) for name in names}
    project, user = checker.text("project"), checker.text("user")
    checker.finish()
    return JobQuery(
        kind=_KINDS[kind] if kind else None,
        state=_STATES[state] if state else None,
        project_id=(await _administered(db, caller, project)).id if project else None,
        user_id=caller.id if mine else (await _user(db, user)).id if user else None,
        below=cut.behind,
        limit=cut.size + 1,
        **moments,
    )


async def _administered(db: Database, caller: User, reference: str) -> Project:
    project = await store.find(db, reference)
    level = await project_level(db, caller, project) if project else AccessLevel.NONE
    if project is None or not sees(caller, project, level):
        raise NotFound("Project")
    if level < AccessLevel.MAINTAINER:
        raise Forbidden
    return project


async def _user(db: Database, reference: str) -> User:
    user = await find_user_by_reference(db, reference)
    if user is None:
        raise NotFound("User")
    return user


async def find(request: web.Request, db: Database) -> tuple[JobReport, Project]:
    """Give the job of the address; raises 404 also for jobs that are no business of the caller's."""
    caller = require_caller(request)
    number = integer(request.match_info["id"])
    report = None if number is None else await jobs.report(db, number)
    project = None if report is None else await store.find_by_id(db, report.job.project_id)
    if report is None or project is None:
        raise NotFound("Job")
    if await project_level(db, caller, project) < AccessLevel.MAINTAINER:
        raise NotFound("Job")
    return report, project


async def _answer(request: web.Request, db: Database) -> web.Response:
    report, project = await find(request, db)
    shows_worker = require_caller(request).is_admin
    return json_response(job_entity(report, full_path=project.full_path, shows_worker=shows_worker))


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/jobs/:id."""
    async with one_moment(request.app[DEPENDENCIES].pool) as db:
        return await _answer(request, db)


async def cancel(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/jobs/:id/cancel; its worker, if it has one, stops at its next heartbeat."""
    async with request.app[DEPENDENCIES].pool.acquire() as db, db.transaction():
        report, _ = await find(request, db)
        if not await jobs.cancel(db, report.job.id):
            raise Refused(409, "409 Conflict - the job has ended, and only one that has not can be canceled")
        return await _answer(request, db)


async def retry(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/jobs/:id/retry; the answer is the new job."""
    dependencies = request.app[DEPENDENCIES]
    report, project = await find(request, dependencies.pool)
    job = await retrying.retry(request, report.job, project)
    await announce(dependencies.pool, dependencies.broker, job)
    made = await jobs.report(dependencies.pool, job.id)
    if made is None:  # the project was deleted in the same moment
        raise NotFound("Job")
    shows_worker = require_caller(request).is_admin
    entity = job_entity(made, full_path=project.full_path, shows_worker=shows_worker)
    return json_response(entity, status=201, headers=job_header(job))
