"""Has a project exported, and waits for that."""

from __future__ import annotations

from datetime import timedelta

from services.cli.client import GitLabClient
from services.cli.fleet.screen import TaskReporter
from services.cli.fleet.selection import ProjectAnswer
from services.cli.polling import export_states, limit_wait


async def export(
    client: GitLabClient, project: ProjectAnswer, report: TaskReporter, *, within: timedelta
) -> None:
    """Export a project. Raises JobFailed, RefusedByServer and ServerUnreachable."""
    async with limit_wait(within, f"the export of {project.path_with_namespace}"):
        job = await client.schedule_export(project.id)
        async for status in export_states(client, project.id, job):
            report(status.export_status, 0, None)
