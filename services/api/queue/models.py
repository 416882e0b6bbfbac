"""What a command is, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from services.api.dependencies import Dependencies
from services.api.origin import Origin
from shared.accounts.models import User
from shared.database.pool import Connection
from shared.events.cloud_events import CloudEvent
from shared.jobs.models import Job
from shared.projects.models import Project
from shared.settings.application import ApplicationSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of somebody who may send it; ``settings`` hold while it is carried out.

    ``sender`` is the broker's user who speaks for the actor.
    """

    event: CloudEvent
    sender: str
    actor: User
    origin: Origin
    settings: ApplicationSettings


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
class Done:
    """What a command was answered with: kept, for the same message again."""

    job: JobRef
    project: ProjectRef


Effect: TypeAlias = Callable[[Connection], Awaitable[tuple[Project, Job]]]
"""What is left to do once a command is checked, within the transaction that notes that it is done."""

Check: TypeAlias = Callable[[Dependencies, Command], Awaitable[Effect]]
"""Checks a command, in the order of its request by HTTP. Raises ApiError."""


def done(project: Project, job: Job) -> Done:
    """Make the answer."""
    return Done(
        job=JobRef(id=job.id, kind=job.kind.value),
        project=ProjectRef(id=project.id, path_with_namespace=project.full_path),
    )
