"""Copies projects from one server to another: exports there, imports here, through memory alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from services.cli.client import GitLabClient
from services.cli.errors import FileUnwritable
from services.cli.fleet.counts import count_records, differences
from services.cli.fleet.exporting import export
from services.cli.fleet.importing import Importing, refuse_doubles
from services.cli.fleet.limits import TargetLimits, find_limits
from services.cli.fleet.pipe import stream_archive
from services.cli.fleet.runner import Outcome, Run, State, run_each
from services.cli.fleet.screen import TaskReporter
from services.cli.fleet.selection import ProjectAnswer, ProjectFinder, Selection
from services.cli.formats import counted
from services.cli.json_api import JsonApi
from services.cli.relations import require_selecting
from services.cli.terminal import print_table, say
from shared.gitlab.relation_selection import RelationSelection


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOptions:
    """How projects are copied below the group ``into``, ``parallel`` at a time, each step within a time.

    ``group`` is the one that is copied: what is below it keeps its path; without one, projects keep their
    name alone. Projects that are there are skipped unless they may be replaced (``overwrite``).
    ``relations`` is what is copied of each, None for all of it.
    """

    into: str
    group: str | None
    parallel: int
    within: timedelta
    overwrite: bool = False
    counts: bool = True
    relations: RelationSelection | None = None

    def target(self, project: ProjectAnswer) -> str:
        """Give the full path of the copy."""
        names = project.path_with_namespace.split("/")
        kept = len(self.group.strip("/").split("/")) if self.group else len(names) - 1
        return "/".join((self.into.strip("/"), *names[kept:]))


class CopyOutcome(Outcome, frozen=True, kw_only=True):
    """What came of one project, and the counts of its records on both sides; null where they are unknown."""

    target: str
    source_counts: Mapping[str, int | None] | None = None
    target_counts: Mapping[str, int | None] | None = None
    differences: Sequence[str] = ()


_COPY = "copy"


class PlannedCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy would do with a project; ``bytes`` by the source's statistics, null if it tells none.

    ``fits`` is whether so many bytes are taken, null where that is not known; an archive may be smaller.
    """

    project: str
    target: str
    action: str
    bytes: int | None
    fits: bool | None


_FITS = {True: "yes", False: "over the limit, unless it is packed smaller", None: "-"}


class CopyPlan(msgspec.Struct, frozen=True):
    """``crossdock copy --dry-run``."""

    projects: Sequence[PlannedCopy]
    limits: TargetLimits
    warnings: Sequence[str]

    def show(self) -> None:
        """See Result."""
        rows = [
            (each.project, each.target, each.action, each.bytes or "-", _FITS[each.fits])
            for each in self.projects
        ]
        print_table("Plan", ("project", "becomes", "action", "bytes", "fits"), rows)
        for warning in self.warnings:
            say(f"Note: {warning}")


class _Statistics(msgspec.Struct, frozen=True):
    storage_size: int | None = None


class _Sized(msgspec.Struct, frozen=True):
    statistics: _Statistics | None = None


class Copying:
    """Copies the projects of one server into another."""

    def __init__(self, source: GitLabClient, target: GitLabClient, options: CopyOptions) -> None:
        self._source = source
        self._target = target
        self._options = options
        # What the source selects, and what the target does: both, so that neither misses what is left out.
        self._exported = self._imported = options.relations
        self._importing = Importing(target, within=options.within, overwrite=options.overwrite)

    async def select(self, selection: Selection) -> list[ProjectAnswer]:
        """Find the projects. Raises UsageError where two of them would become one.

        Raises SelectionUnsupported where there is a selection of relations, and neither server can select.
        """
        await self._select_relations()
        projects = [project async for project in ProjectFinder(self._source).find(selection)]
        refuse_doubles(map(self._options.target, projects), instead="copy them by --group")
        return projects

    async def _select_relations(self) -> None:
        """Have at least one of both servers select relations. Raises SelectionUnsupported."""
        if self._options.relations is None:
            return
        if not await self._source.is_crossdock():
            await require_selecting(self._target, self._options.relations)
            self._exported = None
        elif not await self._target.is_crossdock():
            self._imported = None

    async def plan(self, projects: Sequence[ProjectAnswer]) -> CopyPlan:
        """Say what would be done. Nothing is changed."""
        limits = await find_limits(self._target)
        planned = [await self._plan(project, limits) for project in projects]
        made = sum(each.action == _COPY for each in planned)
        return CopyPlan(planned, limits, limits.warnings(made))

    async def _plan(self, project: ProjectAnswer, limits: TargetLimits) -> PlannedCopy:
        target = self._options.target(project)
        present = await self._importing.find(target)
        if present is None:
            action = _COPY
        elif self._options.overwrite:
            action = "replace"
        else:
            action = f"skip: it is there ({present.import_status})"
        path = f"/projects/{project.id}?statistics=true"
        sized = (await JsonApi(self._source.session, self._source.api).call("GET", path, _Sized)).body
        size = sized.statistics.storage_size if sized.statistics else None
        return PlannedCopy(
            project=project.path_with_namespace, target=target, action=action, bytes=size,
            fits=limits.fits(size),
        )  # fmt: skip

    async def run(self, projects: Sequence[ProjectAnswer], *, json: bool) -> Run:
        """Copy the projects. What an earlier run has copied is skipped, what it has begun is followed."""
        return await run_each(
            projects,
            self._copy,
            verb="Copying",
            name=lambda project: project.path_with_namespace,
            parallel=self._options.parallel,
            json=json,
        )

    async def _copy(self, project: ProjectAnswer, report: TaskReporter) -> Outcome:
        path, target, sent = project.path_with_namespace, self._options.target(project), 0
        missed: Sequence[str] = ()

        def count(state: str, done: int, total: int | None) -> None:
            nonlocal sent
            sent = max(sent, done)
            report(state, done, total)

        async def prepare() -> None:
            nonlocal missed
            within = self._options.within
            missed = await export(self._source, project, report, within=within, selection=self._exported)

        imported = await self._importing.run(
            target,
            lambda: stream_archive(self._source, project, count),
            report,
            prepare=prepare,
            selection=self._imported,
        )
        if imported is None:
            return CopyOutcome(project=path, target=target, state=State.SKIPPED, why="it is there")
        source, here = await self._count(project.id, imported.status.id)
        differing = [] if source is None or here is None else differences(source, here)
        failed = len(imported.status.failed_relations)
        left_out = [f"{counted(failed, 'relation')} left out"] if failed else []
        told = [*differing, *left_out, *missed, *imported.missed]
        return CopyOutcome(
            project=path, target=target, state=State.DONE, bytes=sent, why="; ".join(told) or None,
            source_counts=source, target_counts=here, differences=differing,
        )  # fmt: skip

    async def _count(
        self, source: int, target: int
    ) -> tuple[Mapping[str, int | None] | None, Mapping[str, int | None] | None]:
        if not self._options.counts:
            return None, None
        only = self._options.relations
        return await count_records(self._source, source, only), await count_records(
            self._target, target, only
        )


def write_report(file: Path, outcomes: Sequence[Outcome]) -> None:
    """Write what came of each, as CSV where the file ends in .csv, else as JSON. Raises FileUnwritable."""
    try:
        if file.suffix != ".csv":
            file.write_bytes(msgspec.json.format(msgspec.json.encode(list(outcomes))))
            return
        with file.open("w", newline="", encoding="utf-8") as opened:
            csv.writer(opened).writerows(_rows(outcomes))
    except OSError as error:
        raise FileUnwritable(file, error) from None


def _rows(outcomes: Sequence[Outcome]) -> Iterator[Sequence[object]]:
    """Give the lines of a report, with a column for what was counted on each side; blank where unknown."""
    counted = sorted({name for each in outcomes for name in _counts(each, "source_counts")})
    sides = [f"{name} {side}" for name in counted for side in ("source", "target")]
    yield ("project", "target", "state", "bytes", "seconds", "why", "error_code", *sides)
    for each in outcomes:
        target = each.target if isinstance(each, CopyOutcome) else ""
        source, here = _counts(each, "source_counts"), _counts(each, "target_counts")
        counts = [side.get(name, "") for name in counted for side in (source, here)]
        yield (each.project, target, each.state.value, each.bytes, each.seconds, each.why or "",
               each.error_code or "", *counts)  # fmt: skip


def _counts(outcome: Outcome, side: str) -> Mapping[str, int | None]:
    return getattr(outcome, side, None) or {}
