"""What a job is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal, TypeAlias

WORKER_LOST = "worker_lost"
"""The code of a job's error where its worker fell silent, and nobody can say why."""


class JobKind(Enum):
    """What a job does; its value names the queue as well."""

    IMPORT = "import"
    EXPORT = "export"
    RELATION_IMPORT = "relation_import"


class JobState(Enum):
    """Where a job stands; the moves between states are in ``states.py``."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSource:
    """Where an archive is fetched from. The URL is a secret: whoever has it may read there.

    The job's row holds it only until the job has ended.
    """

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """What an import was asked to do, beside its archive: an object of the job's row, or ``source``.

    ``replaces`` is the full path to take over at the end (overwrite), where there was one to take.
    ``override_params`` win over the archive's project attributes.
    """

    override_params: Mapping[str, object] = field(default_factory=dict)
    replaces: str | None = None
    source: RemoteSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTarget:
    """Where a finished export goes. The URL is a secret: whoever has it may write there.

    The job's row holds it only until the job has ended.
    """

    url: str = field(repr=False)
    method: Literal["PUT", "POST"] = "PUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOrder:
    """What an export was asked to do. ``description`` wins over the project's."""

    description: str | None = None
    upload: UploadTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationImportOrder:
    """Which relation of an archive, an object of the job's row, goes into the project."""

    relation: str


JobOrder: TypeAlias = ImportOrder | ExportOrder | RelationImportOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOutcome:
    """How an upload ended: well where ``error`` is None.

    ``status`` is that of the last answer, if there was one, ``attempts`` how often it was tried within the
    job's last attempt, ``bytes`` the archive's size; ``url`` is masked.
    """

    url: str
    status: int | None
    attempts: int
    bytes: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOutcome:
    """Bytes and SHA-256, in hexadecimal, of an archive that was read and is not ours."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is to be told of a finished job beside its result."""

    upload: UploadOutcome | None = None
    archive: ArchiveOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the job table, as it was when read.

    ``has_forgotten`` is true of one that has ended, and whose order had an address that is a secret.
    """

    id: int
    kind: JobKind
    state: JobState
    project_id: int
    user_id: int | None
    correlation_id: str
    traceparent: str | None = None
    order: JobOrder
    object_id: int | None
    has_forgotten: bool
    attempt: int
    max_attempts: int
    lease: int
    error: str | None
    error_code: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """A job, its progress as its worker wrote it last, and its outcome once it is finished.

    ``due_at`` is when it may be begun, ``worker`` has it until ``lease_expires_at``, and ``read_at`` is when
    all this was so, by the database's clock.
    """

    job: Job
    progress: Mapping[str, object]
    outcome: Outcome | None
    due_at: datetime
    worker: str | None
    lease_expires_at: datetime | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: every write names the token, and a lost token writes nothing."""

    job_id: int
    token: int
