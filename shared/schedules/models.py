"""Schedules, their runs, and what came of each project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from fnmatch import fnmatchcase

from shared.catalogue.retention import Policy
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.details import JobUser
from shared.schedules.timetable import Timetable


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Projects by id or full path, all below a ``group``, or all that the user may export.

    ``patterns`` are of full paths, of which one has to match; ``*`` matches slashes as well.
    """

    projects: Sequence[str] = ()
    group: str | None = None
    patterns: Sequence[str] = ()

    def takes(self, path: str) -> bool:
        """Tell whether the patterns take the project with this full path."""
        return not self.patterns or any(fnmatchcase(path, pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOrder:
    """What a schedule is to do: all of it that its user says.

    With ``into`` projects of the destination, which is a peer, are fetched into the group of that full path
    here; the selection is of projects there. Without it, projects of this server go to the destination.
    ``relations`` is what is taken of each, None for all of it.
    """

    name: str
    destination_id: int
    timetable: Timetable
    selection: Selection
    retention: Policy
    into: str | None = None
    relations: RelationSelection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule of the user ``user_id``. It is paused where ``next_run_at`` is None."""

    id: int
    user_id: int
    order: ScheduleOrder
    next_run_at: datetime | None
    created_at: datetime
    updated_at: datetime


class RunState(Enum):
    """The state of a run. It is ``partial`` where some projects failed, and ``failed`` where all did."""

    QUEUED = "queued"
    RUNNING = "running"
    CLOSING = "closing"
    FINISHED = "finished"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"


class RunCause(Enum):
    """Why there is a run: its time came, its time had come while nothing ran, or a user asked for it."""

    DUE = "due"
    CAUGHT_UP = "caught_up"
    REQUESTED = "requested"


class ProjectState(Enum):
    """What has become of one project in a run."""

    WAITING = "waiting"
    QUEUED = "queued"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of a schedule. ``missed`` counts the earlier due times that it stands for as well.

    ``counts`` has the number of projects by their state. ``is_canceled``: it ends as soon as its jobs have.
    """

    id: int
    schedule_id: int
    due_at: datetime
    cause: RunCause
    missed: int
    state: RunState
    is_canceled: bool
    canceled_by: JobUser | None
    counts: dict[ProjectState, int]
    error: str | None
    error_code: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProject:
    """A project in a run. ``why`` says why it was skipped or failed; ``file`` is the key of its archive.

    ``project_id`` is None for a name that led to no project. ``job_id`` is that of the backup, while it is
    kept.
    """

    id: int
    run_id: int
    project_id: int | None
    path: str
    state: ProjectState
    job_id: int | None
    why: str | None
    code: str | None
    file: str | None
    size: int | None
    sha256: str | None
    manifest_sha256: str | None
    finished_at: datetime | None
    remote_id: int | None
    last_activity_at: datetime | None
