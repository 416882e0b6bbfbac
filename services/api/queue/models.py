"""What a command is, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from shared.accounts.models import User
from shared.database.pool import Connection
from shared.events.cloud_events import CloudEvent
from shared.usecases.imports import Scheduled
from shared.usecases.origin import JobOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command whose sender may act for ``actor``; ``sender`` is a user of the broker."""

    event: CloudEvent
    sender: str
    actor: User
    origin: JobOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """The job of a command."""

    id: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRef:
    """The project of that job, by the path that it had then."""

    id: int
    path_with_namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a command was answered with: kept, for the same message again."""

    job: JobRef
    project: ProjectRef


Effect: TypeAlias = Callable[[Connection], Awaitable[Scheduled]]
"""What is left to do once a command is checked, within the transaction that notes that it is done."""


def result_of(scheduled: Scheduled) -> CommandResult:
    """Make the answer."""
    project, job = scheduled.project, scheduled.job
    return CommandResult(
        job=JobRef(id=job.id, kind=job.kind.value),
        project=ProjectRef(id=project.id, path_with_namespace=project.full_path),
    )
