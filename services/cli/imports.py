"""Uploads and follows imports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from yarl import URL

from services.cli.archive_source import find_size, read_head
from services.cli.client import (
    GitLabClient,
    ImportRequest,
    ImportStatusAnswer,
    ScheduledImport,
)
from services.cli.direct_uploads import import_directly
from services.cli.errors import CommandError, RefusedByServer, UsageError, attach_document
from services.cli.json_api import if_visible
from services.cli.polling import JobProgressReader, import_states, limit_wait
from services.cli.relations import require_selecting, tell_missed
from services.cli.remote_source import RemoteSource
from services.cli.results import (
    ImportResult,
    list_failures,
    project_of_import,
)
from services.cli.resumable_uploads import CHUNK, import_in_chunks, is_resumable
from services.cli.terminal import say, say_if_interrupted, show_job, show_transfer
from shared.gitlab.relation_selection import RelationSelection

_GZIP = b"\x1f\x8b"
_HINTS = {
    "has already been taken": "name another --path, or give --overwrite",
    "Namespace Not Found": "--path begins with no group or user that the token may import into",
    "Request Entity Too Large": "the archive is larger than the setting max_import_size of an administrator",
}
"""What to do where the server refuses an import by these words, which are GitLab's."""


class PathTaken(CommandError):
    """There is a project at the path of the import already."""

    code = "path_taken"
    exit_code = RefusedByServer.exit_code

    def __init__(self, full_path: str, state: str) -> None:
        super().__init__(
            f"{full_path} is there already (its import: {state}), so nothing was sent: name another --path, "
            "or give --overwrite"
        )


_LONGEST_CREDENTIALS = 64 * 1024
"""Bytes that are read of a file with credentials."""


def overrides(pairs: Sequence[str]) -> dict[str, str]:
    """Parse ``key=value`` pairs. Raises UsageError."""
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise UsageError(f"--override takes key=value, not {pair!r}")
    return dict(pair.split("=", 1) for pair in pairs)


def import_request(
    full_path: str, *, name: str | None, overwrite: bool, override: Sequence[str]
) -> ImportRequest:
    """Make the request of an import from the command's options. Raises UsageError."""
    return ImportRequest.to(full_path, name=name, overwrite=overwrite, overrides=overrides(override))


def check_archive(archive: Path) -> None:
    """Raise UsageError for a file that the server would refuse after the upload."""
    size = find_size(archive)
    if size is None:
        return
    if archive.suffix != ".gz":
        raise UsageError(f"{archive.name} does not end in .gz, as GitLab wants it")
    if size == 0:
        raise UsageError(f"{archive.name} is empty")
    if read_head(archive, len(_GZIP)) != _GZIP:
        raise UsageError(f"{archive.name} is no gzip archive: it has to be the export of a project")


async def import_project(
    client: GitLabClient, archive: Path, to: ImportRequest, *, within: timedelta | None, direct: bool = False
) -> ImportResult:
    """Upload ``archive``, and wait for its import at most ``within``, if that is given.

    With ``direct`` it goes straight into the bucket of the server.
    """
    await require_selecting(client, to.selection)
    scheduled = await upload(client, archive, to, direct=direct)
    status = scheduled.status
    if within is not None:
        status = await follow_import(client, scheduled, within=within, selection=to.selection)
    return _imported(status, scheduled.job)


async def import_remote(
    client: GitLabClient, source: RemoteSource, to: ImportRequest, *, within: timedelta | None
) -> ImportResult:
    """Have the server fetch an archive, and wait for its import at most ``within``, if that is given."""
    await require_selecting(client, to.selection)
    scheduled = await client.import_remote(source.path, {**source.body, **to.body()})
    status = scheduled.status
    if within is not None:
        status = await follow_import(client, scheduled, within=within, selection=to.selection)
    return _imported(status, scheduled.job)


async def import_repository(
    client: GitLabClient, url: str, to: ImportRequest, *, within: timedelta | None
) -> ImportResult:
    """Import the repository at ``url``, and wait for that at most ``within``, if that is given."""
    scheduled = await client.import_repository(url, to)
    status = scheduled.status
    if within is not None:
        status = await follow_import(client, scheduled, within=within)
    return _imported(status, scheduled.job)


def with_credentials(url: str, credentials: Path | None) -> str:
    """Put the credentials of a file, ``user:password`` or a token alone, into a URL. Raises UsageError."""
    if credentials is None:
        return url
    try:
        with credentials.open() as file:
            text = file.read(_LONGEST_CREDENTIALS).strip()
        user, colon, password = text.partition(":")
        return str(URL(url).with_user(user if colon else "git").with_password(password if colon else text))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot put the credentials into the address: {error}") from None


async def upload(
    client: GitLabClient, archive: Path, to: ImportRequest, *, direct: bool = False
) -> ScheduledImport:
    """Upload ``archive`` and show the progress."""
    check_archive(archive)
    if (find_size(archive) or 0) > CHUNK:
        await _require_free_path(client, to)
    in_chunks = not direct and await is_resumable(client, archive)
    try:
        with show_transfer("Uploading") as report:
            if direct:
                return await import_directly(client, archive, to, report)
            if in_chunks:
                return await import_in_chunks(client, archive, to, report)
            return await client.import_file(archive, to, report)
    except RefusedByServer as error:
        hint = next((hint for text, hint in _HINTS.items() if text in str(error)), None)
        raise error if hint is None else error.with_hint(hint) from None


async def _require_free_path(client: GitLabClient, to: ImportRequest) -> None:
    """Raise PathTaken before a long upload that the server would refuse at its end."""
    if to.namespace is None or to.overwrite:
        return
    full_path = f"{to.namespace}/{to.path}"
    found = await if_visible(client.import_status(full_path))
    if found is not None:
        raise PathTaken(full_path, found.import_status)


async def follow_import(
    client: GitLabClient,
    scheduled: ScheduledImport,
    *,
    within: timedelta,
    selection: RelationSelection | None = None,
) -> ImportStatusAnswer:
    """Wait for the import, and list the records that it left out."""
    started = time.monotonic()
    first = status = scheduled.status
    reader = JobProgressReader(client, scheduled.job)
    with (
        attach_document(lambda error: _imported(status, scheduled.job, error)),
        show_job("Importing") as show,
    ):
        async with limit_wait(within, f"the import of {first.path_with_namespace}"):
            with say_if_interrupted(f"The import goes on: crossdock status {first.path_with_namespace}"):
                async for status in import_states(client, first.id, scheduled.job):
                    show(status.import_status, await reader.measure())
        await tell_missed(client, scheduled.job, selection)
    list_failures(status.failed_relations)
    failed = len(status.failed_relations)
    rest = f", {failed}{'+' if failed >= 100 else ''} left out" if failed else ""  # noqa: PLR2004  # GitLab's cap
    say(f"Imported in {time.monotonic() - started:.1f} s{rest}")
    return status


def _imported(status: ImportStatusAnswer, job: int | None, error: CommandError | None = None) -> ImportResult:
    return ImportResult(
        project=project_of_import(status),
        job=job,
        state=status.import_status,
        error=str(error) if error else None,
        error_code=error.error_code if error else None,
        failed_relations=status.failed_relations,
    )
