"""Jobs, to those who may administer their projects."""

from __future__ import annotations

from aiohttp import web

from services.api.authentication import require_caller
from services.api.checks import integer
from services.api.crossdock.entities import job_entity
from services.api.dependencies import DEPENDENCIES
from services.api.errors import NotFound
from services.api.permissions import project_level
from services.api.responses import json_response
from shared.accounts.models import AccessLevel
from shared.database.pool import one_moment
from shared.jobs import store as jobs
from shared.jobs.models import JobReport
from shared.projects import store
from shared.projects.models import Project


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/jobs/:id."""
    return json_response(job_entity(*await administered_job(request)))


async def administered_job(request: web.Request) -> tuple[JobReport, Project]:
    """Give the job of the address; raises 404 also for one that is no business of the caller's."""
    caller = require_caller(request)
    number = integer(request.match_info["id"])
    async with one_moment(request.app[DEPENDENCIES].pool) as db:
        report = None if number is None else await jobs.report(db, number)
        project = None if report is None else await store.find_by_id(db, report.job.project_id)
        if report is None or project is None:
            raise NotFound("Job")
        if await project_level(db, caller, project) < AccessLevel.MAINTAINER:
            raise NotFound("Job")
    return report, project
