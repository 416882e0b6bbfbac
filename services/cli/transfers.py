"""The commands that move projects: import, export, status."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

from services.cli.client import FailedRelation, GitLabClient, ImportStatus, Upload
from services.cli.download import Download, whole_file
from services.cli.errors import RefusedByServer, UsageError
from services.cli.jobs import limited, wait_for_export, wait_for_import
from services.cli.terminal import result, say, table, transfer, waiting

_FORBIDDEN, _NOT_FOUND = 403, 404


def overrides(pairs: Sequence[str]) -> dict[str, str]:
    """Take ``key=value`` apart. Raises UsageError."""
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise UsageError(f"--override takes key=value, not {pair!r}")
    return dict(pair.split("=", 1) for pair in pairs)


def check_archive(archive: Path) -> None:
    """Raise UsageError for what the server would refuse only after the upload."""
    if not archive.is_file():
        raise UsageError(f"{archive} is no file")
    if archive.suffix != ".gz":
        raise UsageError(f"{archive.name} does not end in .gz, as GitLab wants it")


async def upload(client: GitLabClient, archive: Path, to: Upload) -> ImportStatus:
    """Send ``archive`` and show how far it is."""
    check_archive(archive)
    with transfer("Uploading") as report:
        return await client.import_file(archive, to, report)


async def follow_import(client: GitLabClient, scheduled: ImportStatus, *, within: timedelta) -> ImportStatus:
    """Wait for the import, and list what it left out."""
    started = time.monotonic()
    async with limited(within, f"the import of {scheduled.path_with_namespace}"):
        with waiting("Importing") as show:
            status = await wait_for_import(client, scheduled.id, show)
    list_failures(status.failed_relations)
    failed = len(status.failed_relations)
    rest = f", {failed}{'+' if failed >= 100 else ''} relations failed" if failed else ""  # noqa: PLR2004  # GitLab's cap
    say(f"Imported in {time.monotonic() - started:.1f} s{rest}")
    return status


def list_failures(failures: Sequence[FailedRelation]) -> None:
    """Show the failed relations on stderr; the server tells the newest 100 at most."""
    if failures:
        rows = [
            (
                each.relation_name,
                _or_dash(each.line_number),
                each.exception_class,
                _or_dash(each.exception_message),
            )
            for each in failures
        ]
        table("Failed relations", ("relation", "line", "class", "message"), rows, stderr=True)


def _or_dash(value: object) -> object:
    return "-" if value is None else value


async def export(
    client: GitLabClient, project: str | int, *, description: str | None, within: timedelta
) -> None:
    """Have the archive made, and wait for it."""
    await client.schedule_export(project, description)
    async with limited(within, f"the export of {project}"):
        with waiting("Exporting") as show:
            await wait_for_export(client, project, show)


async def download(client: GitLabClient, project: str | int, target: Path | None) -> str:
    """Fetch the archive to ``target``, or stdout, and give its SHA-256 in hex."""
    opened = nullcontext(sys.stdout.buffer) if target is None else whole_file(target)
    with opened as file, transfer("Downloading") as report:
        digest = await Download(file, report).run(client, project)
        file.flush()
    return digest


async def show_status(client: GitLabClient, project: str) -> None:
    """Print the state of import and export."""
    imported = await client.import_status(project)
    rows = [("project", f"{imported.path_with_namespace} (id {imported.id})")]
    rows.append(("import", imported.import_status))
    if imported.import_error:
        rows.append(("import error", imported.import_error))
    rows.append(("failed relations", str(len(imported.failed_relations))))
    rows.append(("export", await _export_state(client, imported.id)))
    table("", ("what", "state"), rows)
    list_failures(imported.failed_relations)


async def _export_state(client: GitLabClient, project: int) -> str:
    try:
        return (await client.export_status(project)).export_status
    except RefusedByServer as error:
        if error.status not in {_FORBIDDEN, _NOT_FOUND}:
            raise
        return "not visible to you"


def announce(status: ImportStatus) -> None:
    """Print what was imported, for people and scripts."""
    result(f"{status.path_with_namespace} (id {status.id}): {status.import_status}")
