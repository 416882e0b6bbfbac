"""Reads the status of a project: its import, what is refused of that still, and the user's export."""

from __future__ import annotations

from contextlib import suppress

from services.cli.client import GitLabClient, ImportStatusAnswer
from services.cli.crossdock_api import JobClient
from services.cli.errors import CommandError, RefusedByServer
from services.cli.job_operations import newest_error_code, newest_failures
from services.cli.json_api import NOT_FOUND, if_visible
from services.cli.quarantine import QuarantineClient
from services.cli.results import ExportState, ImportState, StatusResult, project_of_import


async def status(client: GitLabClient, project: str, *, all_failures: bool) -> StatusResult:
    """Return the state of a project's import and export.

    It has the failed relations that GitLab's API lists, at most 100; with ``all_failures`` all of them.
    """
    imported = await _import_status(client, project)
    failed = await newest_failures(client, imported.id) if all_failures else imported.failed_relations
    return StatusResult(
        project=project_of_import(imported),
        import_=ImportState(
            state=imported.import_status,
            error=imported.import_error,
            error_code=await newest_error_code(client, imported.id) if imported.import_error else None,
            failed_relations=failed,
        ),
        refused_lines=await _refused_lines(client, imported),
        export=ExportState(await _export_state(client, imported.id)),
    )


async def _import_status(client: GitLabClient, project: str) -> ImportStatusAnswer:
    """Return the state of an import. A refusal says so where the number is that of a job."""
    try:
        return await client.import_status(project)
    except RefusedByServer as error:
        if error.status != NOT_FOUND or not await _is_job(client, project):
            raise
        raise error.with_hint(f"{project} is a job, so give --job {project}") from None


async def _is_job(client: GitLabClient, project: str) -> bool:
    """Tell whether this is the number of a job. What keeps that from being known is no error."""
    if not project.isdecimal():
        return False
    with suppress(CommandError):
        return await client.is_crossdock() and bool(await JobClient(client).find(int(project)))
    return False


async def _refused_lines(client: GitLabClient, imported: ImportStatusAnswer) -> int | None:
    """Count the lines that are refused still: GitLab's failed relations stay when lines are repaired.

    None where no line failed, at a GitLab, and where the user may not see them.
    """
    failed = any(each.line_number is not None for each in imported.failed_relations)
    if not failed or not await client.is_crossdock():
        return None
    found = await if_visible(QuarantineClient(client, str(imported.id), relation=None).count())
    return None if found is None else found.lines


async def _export_state(client: GitLabClient, project: int) -> str | None:
    found = await if_visible(client.export_status(project))
    return None if found is None else found.export_status
