"""What use cases refuse, each with its code. The texts are GitLab's where GitLab has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.errors import (
    Conflict,
    CrossdockError,
    Denied,
    Invalid,
    Missing,
    NotAllowed,
    TooLarge,
    Unprocessable,
)


class NotFound(Missing):
    """There is no such ``resource``, or the user may not see it."""

    code = "not_found"

    def __init__(self, resource: str = "") -> None:
        super().__init__(f"{resource} Not Found".lstrip())
        self.resource = resource


class RecordNotFound(NotFound):
    """There is no such record or member."""

    code = "record_not_found"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("Not found",)


class MovedProject(NotAllowed):
    """The project was named by a path that it does not have any more; ``project_id`` still names it."""

    code = "project_moved"

    def __init__(self, project_id: int) -> None:
        super().__init__("Non GET methods are not allowed for moved projects")
        self.project_id = project_id


class NotAuthorized(Denied):
    """The user may see the project, and not do this with it."""

    code = "not_authorized"

    def __init__(self) -> None:
        super().__init__("You are not authorized to perform this action")


class FieldsInvalid(Invalid):
    """Attributes that cannot be as they were given: what is wrong, by their names."""

    code = "fields_invalid"

    def __init__(self, fields: Mapping[str, Sequence[str]], *, cause: CrossdockError | None = None) -> None:
        super().__init__("; ".join(f"{name} {', '.join(problems)}" for name, problems in fields.items()))
        self.fields = fields
        self.code = cause.code if cause else self.code


class GroupNotSaved(Invalid):
    """A group cannot be made with this value of ``field``."""

    code = "group_not_saved"

    def __init__(self, field: str, problem: str, *, cause: CrossdockError) -> None:
        super().__init__(f'Failed to save group {{:{field}=>["{problem}"]}}')
        self.code = cause.code


class ImportNotSaved(Invalid):
    """A project cannot be made for an import as it was asked for."""

    code = "import_not_saved"

    def __init__(self, reason: str, *, cause: CrossdockError | None = None) -> None:
        super().__init__(reason)
        self.code = cause.code if cause else self.code


class NamespaceInvalid(ImportNotSaved):
    """Nothing may be imported into the namespace by this user."""

    code = "namespace_invalid"

    def __init__(self) -> None:
        super().__init__("Namespace is not valid")


class ImportNotAllowed(ImportNotSaved):
    """The user is no maintainer of the namespace."""

    code = "import_not_allowed"

    def __init__(self) -> None:
        super().__init__("User is not allowed to import projects")


class ImportsDisabled(Denied):
    """An administrator has switched imports of archives off."""

    code = "imports_disabled"


class ExportsDisabled(NotFound):
    """An administrator has switched exports off."""

    code = "exports_disabled"


class RelationExportsDisabled(NotFound):
    """An administrator has not switched relation exports on."""

    code = "relation_exports_disabled"


class NoArchive(Unprocessable):
    """The name of the file is not that of an archive."""

    code = "no_archive"

    def __init__(self) -> None:
        super().__init__("You need to upload a GitLab project export archive (ending in .gz).")


class RemoteArchiveRefused(Invalid):
    """The archive elsewhere cannot be fetched, or is none."""

    code = "remote_archive_refused"

    def __init__(self, reason: str, *, cause: CrossdockError | None = None) -> None:
        super().__init__(reason)
        self.code = cause.code if cause else self.code


class StoredArchiveRefused(Invalid):
    """No archive lies in the store under this key."""

    code = "stored_archive_missing"


class ArchiveTaken(Conflict):
    """The archive in the store was imported before."""

    code = "stored_archive_taken"


class ImportTooLarge(TooLarge):
    """The archive has more bytes than ``max_import_size`` permits."""

    code = "import_too_large"

    def __init__(self, limit: int, *, what: str = "an import") -> None:
        super().__init__(f"Request Entity Too Large: {what} may have at most {limit} bytes")
        self.limit = limit


class UnknownRelation(Invalid):
    """Records of this relation cannot be imported on their own."""

    code = "relation_unknown"

    def __init__(self) -> None:
        super().__init__(
            "Imported relation must be one of issues, merge_requests, milestones, or ci_pipelines"
        )


class RelationImportRunning(Conflict):
    """Another import works on the project."""

    code = "relation_import_running"

    def __init__(self) -> None:
        super().__init__("A relation import is already in progress for this project")


class ImportUnfinished(Conflict):
    """An import of the project is on its way, which would replace whatever is committed."""

    code = "import_unfinished"

    def __init__(self) -> None:
        super().__init__("the import of the project has not ended")


class ProjectTooLarge(Invalid):
    """The project has more bytes than ``max_export_size`` permits."""

    code = "project_too_large"

    def __init__(self) -> None:
        super().__init__("The project size exceeds the export limit.")


class ArchiveNotFound(NotFound):
    """The user has no finished export of the project, or it has expired."""

    code = "archive_not_found"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("Not found or has expired",)


class FileLost(Missing):
    """The store has lost the file of a finished export."""

    code = "file_lost"


class RelationExportMissing(Missing):
    """The user has not asked to export relations, or there is no relation or batch of that name."""

    code = "relation_export_not_found"


class RelationExportInvalid(Invalid):
    """The request names a batch of an export without batches, or none of one with batches."""

    code = "relation_export_invalid"


class JobEnded(Conflict):
    """The job has ended, and what was asked for needs one that has not."""

    code = "job_ended"


class NotRetriable(Conflict):
    """The job, or its project, is not in a state in which it can be retried."""

    code = "not_retriable"


class RetryGone(Unprocessable):
    """What the job needs to be retried is not there any more."""

    code = "retry_gone"


class EntryNameInvalid(Unprocessable):
    """No entry of an archive may have this name."""

    code = "entry_name_invalid"


class ContentRefused(Unprocessable):
    """What was sent for an open snapshot is nothing that an archive may hold."""

    code = "content_refused"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(str(cause))
        self.code = cause.code


class ContentTooLarge(TooLarge):
    """What was sent for an open snapshot is over a limit of archives."""

    code = "content_too_large"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(str(cause))
        self.code = cause.code


class SnapshotConflict(Conflict):
    """The open snapshot, or its project, is not in a state in which this can be done."""

    code = "snapshot_conflict"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(str(cause))
        self.code = cause.code
