"""Does the same with many projects, several at a time, and tells what came of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import msgspec

from services.cli.errors import CommandError, JobFailed
from services.cli.fleet.screen import Screen, TaskReporter, show_many
from services.cli.formats import counted
from services.cli.terminal import print_json, print_table
from shared.errors import CrossdockError

T_contra = TypeVar("T_contra", contravariant=True)
T = TypeVar("T")


class State(Enum):
    """What came of a project."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one project; ``why`` tells why it was skipped or failed."""

    project: str
    state: State
    bytes: int = 0
    seconds: float = 0
    file: str | None = None
    why: str | None = None
    error_code: str | None = None


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all: counts, the bytes that were moved, and what failed."""

    done: int
    skipped: int
    failed: int
    bytes: int
    seconds: float
    failures: Sequence[Outcome]

    def show(self) -> None:
        """See Result."""
        rows = [(self.done, self.skipped, self.failed, self.bytes, f"{self.seconds:.1f}")]
        print_table("", ("done", "skipped", "failed", "bytes", "seconds"), rows)
        if self.failures:
            lines = [(each.project, each.error_code or "-", each.why or "") for each in self.failures]
            print_table("Failed", ("project", "code", "why"), lines, stderr=True)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of each, in the order in which they ended, and of all."""

    outcomes: Sequence[Outcome]
    report: RunReport


class ProjectsFailed(JobFailed):
    """Some of the projects failed; the others are done."""

    code = "projects_failed"


class Work(Protocol[T_contra]):
    """What is done with one project, whose progress it reports. Raises CommandError where it fails."""

    def __call__(self, project: T_contra, report: TaskReporter, /) -> Awaitable[Outcome]:
        """Do it. It may be cancelled at any await."""


async def run_each(
    projects: Sequence[T],
    work: Work[T],
    *,
    verb: str,
    name: Callable[[T], str],
    parallel: int,
    json: bool,
) -> Run:
    """Do the work with each project, ``parallel`` of them at a time, and print a document of each as JSON.

    Meanwhile the screen shows them, and the ``verb`` that says what is done: ``Backing up``.

    A project that fails does not end the others. What is no error of ours, or of the system, ends all.
    """
    began, waiting, outcomes = time.monotonic(), iter(projects), list[Outcome]()

    async def take(turn: Iterator[T], screen: Screen) -> None:
        for project in turn:
            with screen.task(name(project)) as report:
                outcome = await _attempt(project, work, report, name=name(project))
            outcomes.append(outcome)
            screen.end(outcome.project, outcome.state.value, bytes=outcome.bytes, why=outcome.why)
            if json:
                print_json(outcome)

    with show_many(verb, len(projects)) as screen:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(parallel, len(projects))):
                tasks.create_task(take(waiting, screen))
    return Run(outcomes, _summarize(outcomes, seconds=time.monotonic() - began))


async def _attempt(project: T, work: Work[T], report: TaskReporter, *, name: str) -> Outcome:
    began = time.monotonic()
    try:
        outcome = await work(project, report)
    except (CrossdockError, OSError) as error:
        code = error.error_code if isinstance(error, CommandError) else getattr(error, "code", None)
        outcome = Outcome(project=name, state=State.FAILED, why=str(error), error_code=code)
    return msgspec.structs.replace(outcome, seconds=round(time.monotonic() - began, 3))


def _summarize(outcomes: Sequence[Outcome], *, seconds: float) -> RunReport:
    """Count what came of all."""
    count = {state: sum(each.state is state for each in outcomes) for state in State}
    failures = [each for each in outcomes if each.state is State.FAILED]
    return RunReport(
        done=count[State.DONE],
        skipped=count[State.SKIPPED],
        failed=count[State.FAILED],
        bytes=sum(each.bytes for each in outcomes),
        seconds=round(seconds, 3),
        failures=sorted(failures, key=lambda each: each.project),
    )


def end(run: Run, *, json: bool) -> RunReport:
    """Give the report of a run, or raise ProjectsFailed with it where any failed."""
    report = run.report
    if not report.failed:
        return report
    if not json:
        report.show()
    total = report.done + report.skipped + report.failed
    error = ProjectsFailed(f"{report.failed} of {counted(total, 'project')} failed")
    error.document = report
    raise error
