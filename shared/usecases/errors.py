"""Errors that use cases raise, each with its code. The texts are GitLab's where GitLab has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from shared.errors import (
    Conflict,
    CrossdockError,
    Denied,
    Invalid,
    Missing,
    NotAllowed,
    TooLarge,
    TooMany,
    Unprocessable,
)

_LONG = 120
"""Seconds of a wait up to which these are told; a longer one is told in minutes."""


class NotFound(Missing):
    """The resource does not exist, or the user may not see it."""

    code = "not_found"

    def __init__(self, resource: str = "") -> None:
        super().__init__(f"{resource} Not Found".lstrip())
        self.resource = resource


class RecordNotFound(NotFound):
    """The record or the member does not exist."""

    code = "record_not_found"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("Not found",)


class MovedProject(NotAllowed):
    """The request names the project by a path that it had before: use its id or its new path."""

    code = "project_moved"

    def __init__(self, project_id: int) -> None:
        super().__init__("Non GET methods are not allowed for moved projects")
        self.project_id = project_id


class NotAuthorized(Denied):
    """The user may see the project, but may not perform this action on it."""

    code = "not_authorized"

    def __init__(self) -> None:
        super().__init__("You are not authorized to perform this action")


class FieldsInvalid(Invalid):
    """At least one attribute is invalid; the message names each one and its problem."""

    code = "fields_invalid"

    def __init__(self, fields: Mapping[str, Sequence[str]], *, cause: CrossdockError | None = None) -> None:
        super().__init__("; ".join(f"{name} {', '.join(problems)}" for name, problems in fields.items()))
        self.fields = fields
        self.code = cause.code if cause else self.code


class GroupNotSaved(Invalid):
    """The group cannot be created, because one attribute is invalid; the message names it."""

    code = "group_not_saved"

    def __init__(self, field: str, problem: str, *, cause: CrossdockError) -> None:
        super().__init__(f'Failed to save group {{:{field}=>["{problem}"]}}')
        self.code = cause.code


class GroupArchiveRefused(Unprocessable):
    """The archive of groups is broken, hostile, over a limit, or none of groups; the message says why."""

    code = "group_archive_refused"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(str(cause))
        self.code = cause.code


class ImportNotSaved(Invalid):
    """The project of the import cannot be created; the message names the problem."""

    code = "import_not_saved"

    def __init__(self, reason: str, *, cause: CrossdockError | None = None) -> None:
        super().__init__(reason)
        self.code = cause.code if cause else self.code


class NamespaceInvalid(ImportNotSaved):
    """The user may not import into this namespace: use one in which the user is a maintainer."""

    code = "namespace_invalid"

    def __init__(self) -> None:
        super().__init__("Namespace is not valid")


class ImportNotAllowed(ImportNotSaved):
    """The user is not a maintainer of the namespace, which imports require."""

    code = "import_not_allowed"

    def __init__(self) -> None:
        super().__init__("User is not allowed to import projects")


class ImportsDisabled(Denied):
    """Imports of archives are switched off in the application settings."""

    code = "imports_disabled"


class ExportsDisabled(NotFound):
    """Exports are switched off in the application settings."""

    code = "exports_disabled"


class RelationExportsDisabled(NotFound):
    """Relation exports are not switched on in the application settings."""

    code = "relation_exports_disabled"


class NoArchive(Unprocessable):
    """The name of the file does not end in .gz, so it is not an archive."""

    code = "no_archive"

    def __init__(self) -> None:
        super().__init__("You need to upload a GitLab project export archive (ending in .gz).")


class RemoteArchiveRefused(Invalid):
    """The remote archive cannot be fetched, or is not an archive; the message says why."""

    code = "remote_archive_refused"

    def __init__(self, reason: str, *, cause: CrossdockError | None = None) -> None:
        super().__init__(reason)
        self.code = cause.code if cause else self.code


class RemoteRepositoryRefused(Unprocessable):
    """There is no repository at the address that can be read; the message says why, behind GitLab's words."""

    code = "remote_repository_refused"

    def __init__(self, reason: str, *, cause: CrossdockError | None = None) -> None:
        super().__init__(f"Unable to access repository with the URL and credentials provided ({reason})")
        self.code = cause.code if cause else self.code


class RepositoryUrlRefused(Unprocessable):
    """Requests to the address of the repository are not permitted; the message says why."""

    code = "repository_url_refused"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(f"Import url is blocked: {cause}")
        self.code = cause.code


class ImportRunning(Conflict):
    """An import of the project has not ended: wait for its end."""

    code = "import_running"

    def __init__(self) -> None:
        super().__init__("Import already in progress")


class RepositoryThere(Conflict):
    """The project has a repository already, which an import does not replace."""

    code = "repository_there"

    def __init__(self) -> None:
        super().__init__("Project already has a repository")


class ContentThere(Conflict):
    """The project has no repository, but other content, which the import would replace."""

    code = "content_there"

    def __init__(self) -> None:
        super().__init__("Project already has other content than a repository")


class GitHubBlocked(Invalid):
    """Requests to the GitHub at ``github_hostname`` are not permitted, or it is no address."""

    code = "github_blocked"

    def __init__(self, address: str, *, cause: CrossdockError | None = None) -> None:
        super().__init__(f"Invalid URL: {address}")
        self.code = cause.code if cause else self.code


class GitHubImportRefused(Unprocessable):
    """The repository of GitHub cannot be imported, or not to this place; the message says why."""

    code = "github_import_refused"

    def __init__(self, reason: str, *, cause: CrossdockError | None = None) -> None:
        super().__init__(reason)
        self.code = cause.code if cause else self.code


class TargetNamespaceMissing(GitHubImportRefused):
    """There is no namespace with this full path, or the user may not see it."""

    code = "target_namespace_missing"

    def __init__(self) -> None:
        super().__init__("Namespace or group to import repository into does not exist.")


class TargetNamespaceRefused(GitHubImportRefused):
    """The user is not a maintainer of the namespace, which imports require."""

    code = "target_namespace_refused"

    def __init__(self) -> None:
        super().__init__("You are not allowed to import projects in this namespace.")


class GitHubImportsDisabled(Denied):
    """Imports from GitHub are switched off in the application settings."""

    code = "github_imports_disabled"

    def __init__(self) -> None:
        super().__init__("github import source is disabled")


class GitHubLimited(TooMany):
    """GitHub takes no more requests of the token for now."""

    code = "github_limited"

    def __init__(self, *, wait: int) -> None:
        span = f"{wait} s" if wait <= _LONG else f"{ceil(wait / 60)} minutes"
        super().__init__(f"GitHub takes no more requests of the token for {span}", wait=wait)


class GitHubImportNotFound(NotFound):
    """The newest import of the project is none from GitHub, or the user may not see the project."""

    code = "github_import_not_found"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("Not found",)


class OwnerRequired(Denied):
    """The user may see the project, and does not own it."""

    code = "owner_required"

    def __init__(self) -> None:
        super().__init__("Unauthorized access")


class ImportEnded(Invalid):
    """The import has ended, so that it cannot be canceled; the message says how."""

    code = "import_ended"

    def __init__(self, status: str) -> None:
        super().__init__(f"The import cannot be canceled because it is {status}")


class StoredArchiveRefused(Invalid):
    """The object storage has no archive with this key."""

    code = "stored_archive_missing"


class ArchiveTaken(Conflict):
    """The archive in the object storage was imported before: store it again under another key."""

    code = "stored_archive_taken"


class ImportTooLarge(TooLarge):
    """The archive is larger than the application setting ``max_import_size`` permits."""

    code = "import_too_large"

    def __init__(self, limit: int, *, what: str = "an import") -> None:
        super().__init__(f"Request Entity Too Large: {what} may have at most {limit} bytes")
        self.limit = limit


class UnknownRelation(Invalid):
    """This relation cannot be imported on its own; the message lists those that can."""

    code = "relation_unknown"

    def __init__(self) -> None:
        super().__init__(
            "Imported relation must be one of issues, merge_requests, milestones, or ci_pipelines"
        )


class RelationImportRunning(Conflict):
    """Another import of the project is running: wait until it has ended."""

    code = "relation_import_running"

    def __init__(self) -> None:
        super().__init__("A relation import is already in progress for this project")


class ImportUnfinished(Conflict):
    """An import of the project has not ended, and would replace the committed content: wait for its end."""

    code = "import_unfinished"

    def __init__(self) -> None:
        super().__init__("the import of the project has not ended")


class ProjectTooLarge(Invalid):
    """The project is larger than the application setting ``max_export_size`` permits."""

    code = "project_too_large"

    def __init__(self) -> None:
        super().__init__("The project size exceeds the export limit.")


class ExportUnderway(Invalid):
    """An export of the project by the same user has not ended: wait for its end, or cancel it."""

    code = "export_underway"

    def __init__(self) -> None:
        super().__init__(
            "An export is already running or queued for this project. Please try again once it's done."
        )


class ArchiveNotFound(NotFound):
    """The user has no finished export of the project, or it has expired: request an export first."""

    code = "archive_not_found"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("Not found or has expired",)


class ManifestMissing(Missing):
    """An older version made the archive, and no manifest of it: export the project again."""

    code = "manifest_missing"

    def __init__(self) -> None:
        super().__init__("the archive has no manifest: export the project again")


class SigningOff(Missing):
    """The server has no key for signatures: ``CROSSDOCK_SIGNING_KEY`` is not set."""

    code = "signing_off"

    def __init__(self) -> None:
        super().__init__("the server signs no manifests")


class FileLost(Missing):
    """The object storage has lost the file of a finished export: request the export again."""

    code = "file_lost"


class RelationExportMissing(Missing):
    """The user has no relation export of the project, or it has no such relation or batch."""

    code = "relation_export_not_found"


class RelationExportInvalid(Invalid):
    """A batched export needs a batch number in the request, and an export without batches takes none."""

    code = "relation_export_invalid"


class JobEnded(Conflict):
    """The job has ended, and the request needs one that has not."""

    code = "job_ended"


class NotRetriable(Conflict):
    """The state of the job or of its project does not permit a retry; the message says why."""

    code = "not_retriable"


class RetryGone(Unprocessable):
    """The input of the job was deleted, so that it cannot be retried: make a new request."""

    code = "retry_gone"


class RetryPointless(Conflict):
    """The archive of the job gives the same error again: make a new request with another one."""

    code = "retry_pointless"

    def __init__(self, error: str) -> None:
        super().__init__(
            f"a retry of the same archive gives the same error ({error}): upload another one, with overwrite"
        )


class EntryNameInvalid(Unprocessable):
    """The name is not valid for an entry of an archive; the message says why."""

    code = "entry_name_invalid"


class ContentRefused(Unprocessable):
    """The content that was sent for an open snapshot is not valid in an archive; the message says why."""

    code = "content_refused"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(str(cause))
        self.code = cause.code


class ContentTooLarge(TooLarge):
    """The content that was sent for an open snapshot exceeds a limit of archives."""

    code = "content_too_large"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(str(cause))
        self.code = cause.code


class SnapshotConflict(Conflict):
    """The state of the open snapshot or of its project does not permit this; the message says why."""

    code = "snapshot_conflict"

    def __init__(self, cause: CrossdockError) -> None:
        super().__init__(str(cause))
        self.code = cause.code


class PeopleMapMissing(Missing):
    """Neither the project nor a namespace above it has a map of people."""

    code = "people_map_missing"

    def __init__(self) -> None:
        super().__init__("There is no map of people")


class RunTooLarge(Unprocessable):
    """The schedule selects more projects than one run may have: divide it."""

    code = "run_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the schedule selects more than {limit} projects")


class DestinationNotPeer(Unprocessable):
    """The destination is a bucket: projects are fetched from, and sent to, a GitLab or a Crossdock."""

    code = "destination_not_peer"

    def __init__(self) -> None:
        super().__init__("the destination is no GitLab and no Crossdock")


class PeerRequestFailed(Unprocessable):
    """The GitLab or Crossdock of the destination did not do what it was asked; the message has its words."""

    code = "peer_request_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the destination does not work: {reason}")


class PeerBusy(TooMany):
    """The GitLab or Crossdock of the destination takes no more requests for a while."""

    code = "peer_busy"


class DestinationFailed(Unprocessable):
    """The destination does not take or give back a small object; the message has what its server said."""

    code = "destination_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the destination does not work: {reason}")
