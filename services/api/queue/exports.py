"""``export.requested``."""

from __future__ import annotations

from services.api import exports, rate_limits
from services.api.dependencies import Dependencies
from services.api.export_size import refuse_size
from services.api.http.parameters import Checker
from services.api.permissions import administered_by
from services.api.queue.models import Command, Effect
from shared.database.pool import Connection
from shared.jobs.models import Job
from shared.projects.models import Project


async def export_requested(dependencies: Dependencies, command: Command) -> Effect:
    """Check as the request by HTTP is checked. The same export that is on its way already is that one."""
    pool, caller, settings = dependencies.pool, command.actor, command.settings
    exports.require_enabled(settings)
    checker = Checker(command.event.data)
    checker.require("project")
    reference = checker.text("project") or ""
    checker.finish()
    project = await administered_by(pool, caller, reference)
    order = exports.read_order(command.event.data)
    if limit := settings.project_export_limit:
        rate_limits.refuse_over(await rate_limits.use(pool, "project_export", caller.id, limit=limit))
    await exports.refuse_upload(pool, caller, project, target=order.upload)
    await refuse_size(pool, caller, project, limit=settings.max_export_size)

    async def request(db: Connection) -> tuple[Project, Job]:
        job, _ = await exports.request_export(db, caller, project, order=order, origin=command.origin)
        return project, job

    return request
