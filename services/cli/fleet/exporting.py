"""Has a project exported, and waits for that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from services.cli.client import GitLabClient
from services.cli.fleet.screen import TaskReporter
from services.cli.fleet.selection import ProjectAnswer
from services.cli.polling import export_states, limit_wait
from services.cli.relations import find_missed
from shared.gitlab.relation_selection import RelationSelection


async def export(
    client: GitLabClient,
    project: ProjectAnswer,
    report: TaskReporter,
    *,
    within: timedelta,
    selection: RelationSelection | None = None,
) -> Sequence[str]:
    """Export a project, or a selection of it, and say what of that refers to the rest.

    Raises JobFailed, RefusedByServer, ServerUnreachable and SelectionUnsupported.
    """
    async with limit_wait(within, f"the export of {project.path_with_namespace}"):
        job = await client.schedule_export(project.id, selection=selection)
        async for status in export_states(client, project.id, job):
            report(status.export_status, 0, None)
        return await find_missed(client, job, selection)
