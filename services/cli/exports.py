"""The command that exports: has an archive made, and fetches it, or the rest of it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from services.cli.client import ExportStatus, GitLabClient, Project
from services.cli.download import Download, Superseded
from services.cli.errors import CommandError, knowing, utf8
from services.cli.partial_file import Part, part_of
from services.cli.polling import Gauge, export_states, limited
from services.cli.results import Exported
from services.cli.terminal import Report, say, transfer, waiting


async def export_project(
    client: GitLabClient,
    project: str | int,
    target: Path | None,
    *,
    description: str | None,
    within: timedelta,
    resume: bool,
) -> Exported:
    """Have the archive made, and fetch it to ``target``, or to stdout.

    Where an earlier run of the same command left a part of an archive that the server still has, its rest
    is fetched instead, if ``resume``.
    """
    wanted = _Wanted(client, project, description, within)
    if target is None:
        return await wanted.fetch(Download(sys.stdout.buffer))
    with part_of(target, "\n".join((client.api, str(project), description or ""))) as part:
        finished = await wanted.finish(part) if resume and part.is_begun else None
        if finished is None:
            part.empty()
            finished = await wanted.fetch(Download(part.file, name=part.name))
    return replace(finished, file=utf8(target))


@dataclass(frozen=True, slots=True)
class _Wanted:
    client: GitLabClient
    project: str | int
    description: str | None
    within: timedelta

    async def fetch(self, archive: Download) -> Exported:
        """Have a new archive made, and fetch it."""
        made = await self._make()
        with knowing(lambda error: _failed(made, error)), transfer("Downloading") as report:
            digest = await archive.run(self.client, self.project, report)
        return replace(made, bytes=archive.done, sha256=digest)

    async def _make(self) -> Exported:
        made = Exported(project=None, job=None, state="none")
        with knowing(lambda error: _failed(made, error)), waiting("Exporting") as show:
            async with limited(self.within, f"the export of {self.project}"):
                job = await self.client.schedule_export(self.project, self.description)
                made, gauge = replace(made, job=job), Gauge(self.client, job)
                async for status in export_states(self.client, self.project, job):
                    made = _exported(status, job)
                    show(made.state, await gauge.measure())
        return made

    async def finish(self, part: Part) -> Exported | None:
        """Fetch the rest of what is there; None where the server has another archive by now, or none."""
        made = _exported(await self.client.export_status(self.project), None)
        archive = Download(part.file, name=part.name)
        with transfer("Reading what is there") as report:
            await archive.take_up(part.validator, report)
        try:
            with knowing(lambda error: _failed(made, error)), _rest(archive) as report:
                digest = await archive.finish(self.client, self.project, report)
        except Superseded as error:
            say(f"Making a new export: {error}")
            return None
        return replace(made, bytes=archive.done, sha256=digest)


def _rest(archive: Download) -> AbstractContextManager[Report]:
    return transfer("Downloading the rest", begun=archive.done)


def _exported(status: ExportStatus, job: int | None) -> Exported:
    project = Project(status.id, status.path_with_namespace)
    return Exported(project=project, job=job, state=status.export_status)


def _failed(made: Exported, error: CommandError) -> Exported:
    return replace(made, error=str(error), error_code=error.error_code)
