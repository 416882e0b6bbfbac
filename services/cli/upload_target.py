"""Exports a project to an address that the server sends the archive to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from services.cli.client import GitLabClient, UploadTarget
from services.cli.crossdock_api import JobAnswer, JobClient
from services.cli.errors import CommandError, JobFailed, UsageError, attach_document
from services.cli.exports import ExportOptions, follow_export
from services.cli.polling import job_states, limit_wait, to_measure
from services.cli.results import ExportResult
from services.cli.terminal import say, show_job

_LONGEST = 512 * 1024
"""Characters that a file with addresses may have: the server takes fewer."""


class PartsUnsupported(CommandError):
    """The server is a GitLab, which cannot send an archive in parts."""

    code = "parts_unsupported"


def upload_target(given: str, method: str) -> UploadTarget:
    """Read the option: an address, or @FILE that has it, as it is a secret. Raises UsageError."""
    url = _read(given[1:]).strip() if given.startswith("@") else given
    if not url.startswith(("http://", "https://")):
        raise UsageError("--upload-url takes an address that begins with http:// or https://, or @FILE")
    return UploadTarget(url, method)


def parts_target(given: str) -> UploadTarget:
    """Read the option: @FILE that has the addresses of a multipart upload, as JSON. Raises UsageError."""
    if not given.startswith("@"):
        raise UsageError("--upload-parts takes @FILE, as the addresses are secrets")
    try:
        parts = msgspec.json.decode(_read(given[1:]), type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"the file of --upload-parts has no JSON object: {error}") from None
    return UploadTarget("", "PUT", parts)


def _read(name: str) -> str:
    """Read a file with addresses. Raises UsageError."""
    try:
        with Path(name).open() as file:
            text = file.read(_LONGEST + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the address of the upload: {error}") from None
    if len(text) > _LONGEST:
        raise UsageError(f"the file with the address of the upload is over {_LONGEST} bytes")
    return text


async def export_to(
    client: GitLabClient, project: str | int, target: UploadTarget, options: ExportOptions
) -> ExportResult:
    """Export a project, have the server send the archive to ``target``, and wait for the end of that.

    A GitLab tells nothing of the upload: there the command ends with the export. Raises JobFailed, and
    PartsUnsupported where a GitLab would pass over the addresses.
    """
    if target.parts is not None and not await client.is_crossdock():
        raise PartsUnsupported("a GitLab cannot send an archive in parts: use --upload-url, or --output")
    made = await follow_export(client, project, options, upload=target)
    if made.job is None or made.project is None:
        say("The export is made. A GitLab does not tell what becomes of the upload.")
        return made
    jobs = JobClient(client)
    upload = await jobs.upload_of(made.job, made.project.id)
    if upload is None:
        raise JobFailed(f"the server has no upload of export {made.job}")
    ended = await _follow(jobs, upload, made, options.within)
    archive = ended.archive
    return replace(made, bytes=archive and archive.size, sha256=archive and archive.sha256)


async def _follow(jobs: JobClient, upload: JobAnswer, made: ExportResult, within: timedelta) -> JobAnswer:
    seen = upload
    with (
        attach_document(
            lambda error: replace(made, state=seen.state, error=str(error), error_code=error.error_code)
        ),
        show_job("Uploading") as show,
    ):
        async with limit_wait(within, f"the upload, job {upload.id}"):
            async for seen in job_states(jobs, upload.id):
                show(seen.state, to_measure(seen.progress))
    return seen
