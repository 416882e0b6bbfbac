"""``job.cancel``."""

from __future__ import annotations

from services.api.dependencies import Dependencies
from services.api.http.errors import NotFound, Refused
from services.api.http.parameters import Checker
from services.api.permissions import project_level
from services.api.queue.models import Command, Effect
from shared.accounts.models import AccessLevel
from shared.database.pool import Connection
from shared.jobs import store as jobs
from shared.jobs.models import Job
from shared.projects import store
from shared.projects.models import Project


async def cancel(dependencies: Dependencies, command: Command) -> Effect:
    """Check which job; 404 also for those that are no business of the actor's."""
    checker = Checker(command.event.data)
    checker.require("job")
    number = checker.integer("job")
    checker.finish()
    job = None if number is None else await jobs.find(dependencies.pool, number)
    project = None if job is None else await store.find_by_id(dependencies.pool, job.project_id)
    if job is None or project is None:
        raise NotFound("Job")
    if await project_level(dependencies.pool, command.actor, project) < AccessLevel.MAINTAINER:
        raise NotFound("Job")

    async def end(db: Connection) -> tuple[Project, Job]:
        if not await jobs.cancel(db, job.id):
            raise Refused(409, "409 Conflict: the job has ended")
        return project, job

    return end
