"""Jobs, their orders, reports and outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal, TypeAlias

from shared.gitlab.relation_selection import RelationSelection

WORKER_LOST = "worker_lost"
"""The error code of a job whose worker stopped sending heartbeats, for an unknown reason."""


class JobKind(Enum):
    """What a job does, by which slots; the value is also the name of its queue.

    The archive of a remote import comes from a server elsewhere. That of a small one has few bytes, and does
    not wait behind large ones. A git import has no archive, but a repository elsewhere; a GitHub import has
    all that GitHub has of a repository. A peer import has another GitLab or Crossdock make its archive, and a
    peer export sends one there.
    """

    IMPORT = "import"
    EXPORT = "export"
    RELATION_IMPORT = "relation_import"
    UPLOAD = "upload"
    REMOTE_IMPORT = "remote_import"
    SMALL_IMPORT = "small_import"
    GIT_IMPORT = "git_import"
    GITHUB_IMPORT = "github_import"
    PEER_IMPORT = "peer_import"
    PEER_EXPORT = "peer_export"
    BACKUP = "backup"

    @property
    def shown(self) -> str:
        """The kind that users are told: an import whatever its archive, an upload wherever that goes."""
        kind = JobKind.IMPORT if self in IMPORTS else JobKind.UPLOAD if self is JobKind.PEER_EXPORT else self
        name: str = kind.value
        return name


IMPORTS = (
    JobKind.IMPORT,
    JobKind.REMOTE_IMPORT,
    JobKind.SMALL_IMPORT,
    JobKind.GIT_IMPORT,
    JobKind.GITHUB_IMPORT,
    JobKind.PEER_IMPORT,
)
"""The kinds that are shown as imports."""


@dataclass(frozen=True, slots=True)
class UnknownKind:
    """A kind that only a newer version knows: its jobs are shown and canceled, and left to that version."""

    value: str

    @property
    def shown(self) -> str:
        """The kind that users are told."""
        return self.value


class JobState(Enum):
    """The state of a job; ``states.py`` has the moves between states."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELED = "canceled"


class SourceForm(Enum):
    """What is at the URL of a source: an archive, a repository of git's smart HTTP, or an API.

    The API is that of a GitHub, or of a peer, which is a GitLab or another Crossdock.
    """

    ARCHIVE = "archive"
    GIT = "git"
    GITHUB = "github"
    PEER = "peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSource:
    """The URL of what is fetched. It is a secret: its holder may read there.

    For a GitHub and a peer it is what ``shared/remote/api_address.py`` writes: where the API is, and a token.

    The job's row holds it, sealed as ``sealed_orders.py`` does it, for as long as the job may be retried.
    """

    url: str = field(repr=False)
    form: SourceForm = SourceForm.ARCHIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubStages:
    """What is imported of a repository of GitHub only where it is asked for: GitLab's ``optional_stages``.

    ``single_endpoint_notes_import`` asks for the comments on lines of each pull request by themselves.
    ``attachments_import`` makes uploads of the files in texts, ``collaborators_import`` members of those who
    have a role in the repository. ``release_assets_import``, which GitLab does not have, makes uploads of the
    files of releases; without it they are links.
    """

    single_endpoint_notes_import: bool = False
    attachments_import: bool = False
    collaborators_import: bool = False
    release_assets_import: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubOrder:
    """Which repository of a GitHub is imported. It is no secret, and stays with the job when it has ended.

    ``full_name`` is ``owner/repo``, as GitHub told it when the import was ordered. ``repository_id`` is its
    number, by which it is asked for, so that a new name does no harm, and ``api`` is where. ``page_size`` is
    GitLab's ``pagination_limit``: how many items a page has, 1 to 100. With ``keeps_pages`` what was fetched
    stays when the import has finished, so that the next one of the same repository into the same project, or
    in its place, asks only for what has changed.
    """

    full_name: str
    repository_id: int
    api: str = ""
    stages: GitHubStages = field(default_factory=GitHubStages)
    page_size: int = 100
    keeps_pages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerOrder:
    """Which project of a peer is imported. It is no secret, and stays with the job when it has ended.

    ``full_path`` is its path when the import was ordered. ``project_id`` is its number, by which it is asked
    for, so that a new path does no harm, and ``api`` is where.
    """

    full_path: str
    project_id: int
    api: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """The order of an import; its archive is the object of the job's row, or ``source``.

    ``github`` says which repository of the GitHub that ``source`` is, and ``peer`` which project of the peer;
    they are None for other sources.

    ``replaces`` is the full path of the project that is replaced at the end (overwrite), if any.
    ``override_params`` win over the archive's project attributes.
    With ``import_members`` the members of the archive who are users here become members of the project.
    ``selection`` is what is imported of the archive; the rest is left out by choice.
    """

    override_params: Mapping[str, object] = field(default_factory=dict)
    replaces: str | None = None
    source: RemoteSource | None = None
    github: GitHubOrder | None = None
    peer: PeerOrder | None = None
    import_members: bool = False
    selection: RelationSelection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTarget:
    """Where a finished export is uploaded to. The URL is a secret: its holder may write there.

    ``in_parts``, it is the text of all addresses of a multipart upload, as
    ``shared/remote/part_addresses.py`` writes it. The row of the export, and then that of its upload, holds
    it sealed as ``sealed_orders.py`` does it.
    """

    url: str = field(repr=False)
    method: Literal["PUT", "POST"] = "PUT"
    in_parts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOrder:
    """The order of an export. ``description`` wins over the project's; ``selection`` is what is exported."""

    description: str | None = None
    upload: UploadTarget | None = None
    selection: RelationSelection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationImportOrder:
    """The order to import one relation of an archive, which is the object of the job's row."""

    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOrder:
    """The order to upload an archive, which is the object of the job's row. The job's parent made it.

    ``upload`` is None once it is forgotten.
    """

    upload: UploadTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerExportOrder:
    """The order to send the project to a peer, which imports it as ``path`` in ``namespace``.

    Without a namespace that is the one of the token's user. With ``makes_groups`` the namespace is a group,
    which the job makes there where it is missing, with those above it. ``upload`` is where the API is, with
    the token, as ``shared/remote/api_address.py`` writes it; it is None once it is forgotten. ``api`` is the
    same without the token.
    """

    path: str
    namespace: str | None = None
    overwrite: bool = False
    makes_groups: bool = False
    selection: RelationSelection | None = None
    api: str = ""
    upload: UploadTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOrder:
    """The order to send an archive of the project to a destination, for the row ``run_project_id`` of a run.

    ``last_activity_at`` is what the project had before the job was queued: the archive has at least that.
    """

    run_project_id: int
    last_activity_at: datetime


@dataclass(frozen=True, slots=True)
class UnknownOrder:
    """The order of a job of an unknown kind, which is not read."""


JobOrder: TypeAlias = (
    ImportOrder
    | ExportOrder
    | RelationImportOrder
    | UploadOrder
    | PeerExportOrder
    | BackupOrder
    | UnknownOrder
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOutcome:
    """How an upload ended: successfully where ``error`` is None, as it is since uploads are jobs.

    ``status`` is that of the answer; ``attempts`` counts the requests; ``bytes`` is the archive's size;
    ``url`` is masked.
    """

    url: str
    status: int | None
    attempts: int
    bytes: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOutcome:
    """Size in bytes, and SHA-256 in hexadecimal, of an archive that was downloaded or read from elsewhere."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a report says of a finished job besides its result."""

    upload: UploadOutcome | None = None
    archive: ArchiveOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the job table, as it was when read.

    ``object_id`` is the archive that was sent for it, or ``upload_id``, where that came in pieces.
    ``parent_id`` is the export of an upload, as long as that is kept.
    ``has_forgotten`` is true of an ended job whose order had a secret address, and has it no more.
    """

    id: int
    kind: JobKind | UnknownKind
    state: JobState
    project_id: int
    user_id: int | None
    correlation_id: str
    traceparent: str | None = None
    order: JobOrder
    object_id: int | None
    upload_id: int | None = None
    parent_id: int | None
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
class AttemptError:
    """Why an attempt at a job ended, and when it did.

    One that does not ``count`` ended by an outage of ours; of such that follow each other with one code the
    last is kept, and ``times`` says how many they were.
    """

    attempt: int
    code: str
    error: str
    at: datetime
    counts: bool
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """A job, its progress as its worker wrote it last, and its outcome once it is finished.

    ``archive`` is what it has made, reads or sends: its size in bytes, and the digests that are known by now.
    ``content_sha256`` is the digest of the files that it keeps or exports, where that is known.
    ``errors`` are those of its attempts, the newest last, 20 at most; None where they were not read.
    ``due_at`` is when it may start, ``worker`` holds it until ``lease_expires_at``, and ``read_at`` is when
    the row was read, by the database's clock.
    """

    job: Job
    progress: Mapping[str, object]
    outcome: Outcome | None
    archive: Mapping[str, object] | None
    content_sha256: str | None
    errors: Sequence[AttemptError] | None
    due_at: datetime
    worker: str | None
    lease_expires_at: datetime | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job. Every write names the token; a write with a lost token changes nothing."""

    job_id: int
    token: int
