"""What commands give: shown to people, or with ``--json`` a document whose keys do not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from services.cli.client import FailedRelation, Project
from services.cli.crossdock_api import Job, Lines
from services.cli.terminal import result, say, table


class Result(Protocol):
    """A document, and how it looks to people."""

    def show(self) -> None:
        """Print it for people."""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock import``: the state as GitLab says it, ``scheduled`` where nobody waited for more.

    ``job`` is null where the server is no Crossdock; so is the ``error_code`` of an import that failed.
    """

    project: Project
    job: int | None
    state: str
    error: str | None = None
    error_code: str | None = None
    failed_relations: Sequence[FailedRelation] = ()

    def show(self) -> None:
        """See Result."""
        result(f"{self.project.path_with_namespace} (id {self.project.id}): {self.state}")


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock export``: ``file``, ``bytes`` and ``sha256`` are null where no archive came.

    ``job`` is null where none was begun, or the server is no Crossdock.
    """

    project: Project | None
    job: int | None
    state: str
    error: str | None = None
    error_code: str | None = None
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None

    def show(self) -> None:
        """See Result."""
        say(f"sha256 {self.sha256}")


class ImportState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an import, with its failed relations, at most 100; a GitLab has no ``error_code``."""

    state: str
    error: str | None
    error_code: str | None
    failed_relations: Sequence[FailedRelation]


class ExportState(msgspec.Struct, frozen=True):
    """The state of an export, null to those who may not know."""

    state: str | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock status``."""

    project: Project
    import_: ImportState = msgspec.field(name="import")
    export: ExportState

    def show(self) -> None:
        """See Result."""
        rows = [("project", f"{self.project.path_with_namespace} (id {self.project.id})")]
        rows.append(("import", self.import_.state))
        if self.import_.error:
            rows.append(("import error", self.import_.error))
        rows.append(("failed relations", str(len(self.import_.failed_relations))))
        rows.append(("export", self.export.state or "not visible to you"))
        table("", ("what", "state"), rows)
        list_failures(self.import_.failed_relations)


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock status --job``: ``failed_relations`` is null where ``--failures`` does not ask for them."""

    job: Job
    failed_relations: Sequence[FailedRelation] | None

    def show(self) -> None:
        """See Result."""
        job = self.job
        rows = [("job", job.id), ("kind", job.kind), ("project", job.project.path_with_namespace)]
        rows += [("state", job.state), ("attempt", f"{job.attempt} of {job.max_attempts}")]
        rows += [("error", job.error)] if job.error else []
        rows += [("created", _moment(job.created_at)), ("finished", _moment(job.finished_at))]
        rows += [("bytes", job.progress.bytes_done), ("entries", job.progress.entries)]
        table("", ("what", "state"), rows)
        relations = [(name, each.lines, each.failed) for name, each in job.progress.relations.items()]
        if relations:
            table("Relations", ("relation", "lines", "failed"), relations)
        list_failures(self.failed_relations or ())


class MovedJob(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock cancel`` and ``crossdock retry``."""

    job: Job
    error: str | None = None
    error_code: str | None = None

    def show(self) -> None:
        """See Result."""
        job = self.job
        result(f"job {job.id} ({job.kind} of {job.project.path_with_namespace}): {job.state}")


class Jobs(msgspec.Struct, frozen=True):
    """``crossdock jobs``, the newest first."""

    jobs: Sequence[Job]

    def show(self) -> None:
        """See Result."""
        rows = [
            (each.id, each.kind, each.state, each.project.path_with_namespace, _moment(each.created_at))
            for each in self.jobs
        ]
        table("Jobs", ("id", "kind", "state", "project", "created"), rows)


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def list_failures(failures: Sequence[FailedRelation]) -> None:
    """Show failed relations on stderr."""
    if failures:
        rows = [
            (
                _or_dash(each.relation_name),
                _or_dash(each.line_number),
                _or_dash(each.exception_class),
                _or_dash(each.exception_message),
            )
            for each in failures
        ]
        table("Failed relations", ("relation", "line", "class", "message"), rows, stderr=True)


def _or_dash(value: object) -> object:
    return "-" if value is None else value


class Blob(msgspec.Struct, frozen=True):
    """A file of an archive that is no relation."""

    name: str
    bytes: int


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock verify``: of ``blobs`` and ``failed_relations`` the first 1000, of ``relations`` 200.

    ``sha256`` is null where the archive was not read to its end.
    """

    file: str
    bytes: int
    sha256: str | None
    error: str | None
    error_code: str | None
    entries: int
    relations: Mapping[str, Lines]
    blobs: Sequence[Blob]
    blob_count: int
    blob_bytes: int
    failed_relations: Sequence[FailedRelation]
    failure_count: int

    def show(self) -> None:
        """See Result."""
        rows = [(name, each.lines, each.failed or "-") for name, each in self.relations.items()]
        table("Relations", ("relation", "lines", "failed"), rows)
        table("Blobs", ("blob", "bytes"), [(each.name, each.bytes) for each in self.blobs])
        if self.blob_count > len(self.blobs):
            result(f"and {self.blob_count - len(self.blobs)} more, {self.blob_bytes} bytes in all")
        result(f"sha256 {self.sha256}")
        list_failures(self.failed_relations)
        if self.failure_count:
            say(f"An import would leave out {self.failure_count} records")


class Version(msgspec.Struct, frozen=True):
    """``crossdock version``."""

    version: str

    def show(self) -> None:
        """See Result."""
        result(f"crossdock {self.version}")
