"""Exports a project and downloads its archive, or the rest of a partial download."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from services.cli.client import ExportStatusAnswer, GitLabClient, ProjectReference, UploadTarget
from services.cli.download import ArchiveDownload, ArchiveSuperseded, FileSink
from services.cli.errors import CommandError, attach_document, utf8
from services.cli.partial_file import PartialFile, open_partial_file
from services.cli.polling import JobProgressReader, export_states, limit_wait
from services.cli.relations import require_selecting, tell_missed
from services.cli.results import ExportResult
from services.cli.terminal import ByteReporter, say, show_job, show_transfer
from shared.gitlab.relation_selection import RelationSelection


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What the archive is like, and how long the command waits for it."""

    description: str | None
    within: timedelta
    selection: RelationSelection | None = None

    @property
    def named(self) -> str:
        """What tells the archive from others of the project."""
        return f"{self.description or ''}{f' {self.selection}' if self.selection else ''}"


async def export_project(
    client: GitLabClient, project: str | int, target: Path | None, options: ExportOptions, *, resume: bool
) -> ExportResult:
    """Export the project and download its archive to ``target``, or to stdout.

    With ``resume``, download only the rest of an archive instead, if an earlier run of the same command left
    a partial file and the server still has that archive.
    """
    command = _ExportCommand(client, project, options)
    if target is None:
        return await command.fetch(ArchiveDownload(FileSink(sys.stdout.buffer)))
    named = "\n".join((client.api, str(project), options.named))
    with open_partial_file(target, named) as part:
        finished = await command.finish(part) if resume and part.is_begun else None
        if finished is None:
            part.empty()
            finished = await command.fetch(ArchiveDownload(FileSink(part.file), name=part.name))
    return replace(finished, file=utf8(target))


async def follow_export(
    client: GitLabClient, project: str | int, options: ExportOptions, *, upload: UploadTarget | None = None
) -> ExportResult:
    """Start an export, which goes to ``upload`` if that is given, and wait for its end.

    Raises JobFailed, and SelectionUnsupported.
    """
    await require_selecting(client, options.selection)
    made = ExportResult(project=None, job=None, state="none")
    with attach_document(lambda error: _failed(made, error)), show_job("Exporting") as show:
        async with limit_wait(options.within, f"the export of {project}"):
            job = await client.schedule_export(
                project, options.description, upload=upload, selection=options.selection
            )
            made, reader = replace(made, job=job), JobProgressReader(client, job)
            async for status in export_states(client, project, job):
                made = _exported(status, job)
                show(made.state, await reader.measure())
        await tell_missed(client, job, options.selection)
    return made


@dataclass(frozen=True, slots=True)
class _ExportCommand:
    client: GitLabClient
    project: str | int
    options: ExportOptions

    async def fetch(self, archive: ArchiveDownload) -> ExportResult:
        """Start a new export, wait for it and download its archive."""
        made = await follow_export(self.client, self.project, self.options)
        with attach_document(lambda error: _failed(made, error)), show_transfer("Downloading") as report:
            digest = await archive.run(self.client, self.project, report)
        return replace(made, bytes=archive.done, sha256=digest)

    async def finish(self, part: PartialFile) -> ExportResult | None:
        """Download the rest of a partial file; None if the server no longer has that archive."""
        made = _exported(await self.client.export_status(self.project), None)
        sink = FileSink(part.file)
        archive = ArchiveDownload(sink, name=part.name)
        with show_transfer("Reading what is there") as report:
            await archive.resume(part.validator, sink.begun(), report)
        try:
            with attach_document(lambda error: _failed(made, error)), _rest(archive) as report:
                digest = await archive.finish(self.client, self.project, report)
        except ArchiveSuperseded as error:
            say(f"Making a new export: {error}")
            return None
        return replace(made, bytes=archive.done, sha256=digest)


def _rest(archive: ArchiveDownload) -> AbstractContextManager[ByteReporter]:
    return show_transfer("Downloading the rest", begun=archive.done)


def _exported(status: ExportStatusAnswer, job: int | None) -> ExportResult:
    project = ProjectReference(status.id, status.path_with_namespace)
    return ExportResult(project=project, job=job, state=status.export_status)


def _failed(made: ExportResult, error: CommandError) -> ExportResult:
    return replace(made, error=str(error), error_code=error.error_code)
