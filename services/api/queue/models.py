"""Commands and their results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from shared.accounts.models import User
from shared.database.pool import Connection
from shared.events.cloud_events import CloudEvent
from shared.usecases.imports import ScheduledJob
from shared.usecases.job_origin import JobOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that ``sender``, a user of the broker, may send for ``actor``."""

    event: CloudEvent
    sender: str
    actor: User
    origin: JobOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """A reference to the job of a command."""

    id: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRef:
    """A reference to the project of the job, with its path at the time of the command."""

    id: int
    path_with_namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The result of a command. It is stored, to reply to a repeated message."""

    job: JobRef
    project: ProjectRef


Effect: TypeAlias = Callable[[Connection], Awaitable[ScheduledJob]]
"""Applies a checked command, within the transaction that records its result."""


def make_result(scheduled: ScheduledJob) -> CommandResult:
    """Make the result of a command from its job."""
    project, job = scheduled.project, scheduled.job
    return CommandResult(
        job=JobRef(id=job.id, kind=job.kind.shown),
        project=ProjectRef(id=project.id, path_with_namespace=project.full_path),
    )
