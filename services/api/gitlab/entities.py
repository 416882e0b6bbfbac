"""JSON of projects, namespaces, imports and exports. The keys are in GitLab's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from services.api.http.responses import timestamp
from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, User
from shared.jobs.failed_relations import FailedRelation
from shared.jobs.models import ImportOrder, Job, JobKind, JobState, RelationImportOrder
from shared.projects.models import Project
from shared.snapshots.statistics import Statistics
from shared.usecases.imports import ScheduledJob
from shared.usecases.projects import ProjectDetails
from shared.usecases.relation_exports import RelationStatus
from shared.usecases.repository import Repository

_IMPORT_STATUS = {
    JobState.QUEUED: "scheduled",
    JobState.RUNNING: "started",
    JobState.FINISHED: "finished",
    JobState.FAILED: "failed",
    JobState.CANCELED: "canceled",
}
_RELATION_STATUS = {
    JobState.QUEUED: "created",
    JobState.RUNNING: "started",
    JobState.FINISHED: "finished",
    JobState.FAILED: "failed",
    JobState.CANCELED: "failed",  # GitLab knows no other end
}
_NO_STATS: Mapping[str, object] = {"fetched": {}, "imported": {}}
_FINISHED = 1
_SHORT = 8
_MASKED_ERROR = "Ask a maintainer to check the import status for more details."
_UNKNOWN_ERROR = "Import failed."


def identity(project: Project) -> dict[str, object]:
    """Make the attributes with which projects and statuses begin."""
    return {
        "id": project.id,
        "description": project.description,
        "name": project.name,
        "name_with_namespace": project.full_name,
        "path": project.path,
        "path_with_namespace": project.full_path,
        "created_at": timestamp(project.created_at),
    }


def import_status(
    project: Project,
    job: Job | None,
    failed: Sequence[FailedRelation],
    *,
    maintains: bool,
    stats: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Make the status of an import. Only maintainers of the project see why it failed."""
    return identity(project) | {
        "import_status": _IMPORT_STATUS[job.state] if job else "none",
        "import_type": import_type(job),
        "correlation_id": job.correlation_id if job else None,
        "failed_relations": [failed_relation(failure, maintains=maintains) for failure in failed],
        "import_error": import_error(job, maintains=maintains),
        "stats": stats or _NO_STATS if job and job.kind is JobKind.GITHUB_IMPORT else None,
    }


def github_import(project: Project, job: Job) -> dict[str, object]:
    """Make a project that is imported from GitHub."""
    order = job.order
    assert isinstance(order, ImportOrder)  # noqa: S101  # of this kind of job
    assert order.github is not None  # noqa: S101  # it has its source
    source, status = order.github.full_name, _IMPORT_STATUS[job.state]
    return {
        "id": project.id,
        "name": project.name,
        "full_path": f"/{project.full_path}",
        "full_name": project.full_name,
        "refs_url": f"/{project.full_path}/refs",
        "forked": False,
        "import_source": source,
        "import_status": status,
        "human_import_status_name": status,
        "provider_link": f"/{source}",
        "relation_type": None,
    }


def import_type(job: Job | None) -> str | None:
    """Return GitLab's name of the source of an import."""
    if job is None:
        return None
    match job.kind:
        case JobKind.GIT_IMPORT:
            return "git"
        case JobKind.GITHUB_IMPORT:
            return "github"
        case _:
            return "gitlab_project"


def import_error(job: Job | None, *, maintains: bool) -> str | None:
    """Return why the import failed. It is never null for a failed import, because clients search in it."""
    if job is None or job.state is not JobState.FAILED:
        return None
    return (job.error or _UNKNOWN_ERROR) if maintains else _MASKED_ERROR


def failed_relation(failure: FailedRelation, *, maintains: bool) -> dict[str, object]:
    """Make a failure. Maintainers get its message, which GitLab shows to nobody: it quotes the record."""
    return {
        "id": failure.id,
        "created_at": timestamp(failure.created_at),
        "exception_class": failure.exception_class,
        "source": failure.source,
        "exception_message": failure.exception_message if maintains else None,
        "relation_name": failure.relation,
        "line_number": failure.line_number,
    }


def export_status(project: Project, status: str, *, external_url: str) -> dict[str, object]:
    """Make the status of an export. It has links only if there is a file to download."""
    entity = identity(project) | {"export_status": status}
    if status == "finished":
        entity["_links"] = {
            "api_url": f"{external_url}/api/v4/projects/{project.id}/export/download",
            "web_url": f"{external_url}/{project.full_path}/download_export",
        }
    return entity


def simple_project(project: Project, *, external_url: str) -> dict[str, object]:
    """Make a project as shown in a list with ``simple=true``."""
    web_url = f"{external_url}/{project.full_path}"
    return identity(project) | {
        "default_branch": None,
        "topics": project.overrides.get("topics", []),
        "http_url_to_repo": f"{web_url}.git",
        "web_url": web_url,
        "avatar_url": None,
        "last_activity_at": timestamp(project.last_activity_at),
        "namespace": _namespace_of_project(project.namespace, external_url=external_url),
    }


def full_project(project: Project, *, external_url: str) -> dict[str, object]:
    """Make a project with its overridden attributes, but without its import."""
    return (
        simple_project(project, external_url=external_url)
        | dict(project.overrides)
        | {
            "description": project.description,
            "_links": {"self": f"{external_url}/api/v4/projects/{project.id}"},
            "archived": project.archived,
            "visibility": project.visibility.word,
            "creator_id": project.creator_id,
        }
    )


def imported_project(scheduled: ScheduledJob, *, external_url: str) -> dict[str, object]:
    """Make a project that was just created with the import of a repository."""
    project, job = scheduled.project, scheduled.job
    imported = import_status(project, job, [], maintains=True)
    return full_project(project, external_url=external_url) | {
        key: imported[key] for key in ("import_status", "import_type", "import_error")
    }


def _web_url(namespace: Namespace, *, external_url: str) -> str:
    prefix = "groups/" if namespace.kind is NamespaceKind.GROUP else ""
    return f"{external_url}/{prefix}{namespace.full_path}"


def _namespace_of_project(namespace: Namespace, *, external_url: str) -> dict[str, object]:
    return {
        "id": namespace.id,
        "name": namespace.name,
        "path": namespace.path,
        "kind": namespace.kind.value,
        "full_path": namespace.full_path,
        "parent_id": namespace.parent_id,
        "avatar_url": None,
        "web_url": _web_url(namespace, external_url=external_url),
    }


def namespace_entity(namespace: Namespace, *, external_url: str) -> dict[str, object]:
    """Make a namespace: a user's or a group."""
    return _namespace_of_project(namespace, external_url=external_url) | {"plan": "default", "trial": False}


def group_entity(group: Namespace, *, external_url: str) -> dict[str, object]:
    """Make a group."""
    return {
        "id": group.id,
        "web_url": _web_url(group, external_url=external_url),
        "name": group.name,
        "path": group.path,
        "description": group.description,
        "visibility": group.visibility.word,
        "avatar_url": None,
        "full_name": group.full_name,
        "full_path": group.full_path,
        "parent_id": group.parent_id,
        "created_at": timestamp(group.created_at),
    }


def user_entity(user: User, *, external_url: str) -> dict[str, object]:
    """Make a user as shown to the user."""
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "state": user.state,
        "locked": False,
        "avatar_url": None,
        "web_url": f"{external_url}/{user.username}",
        "created_at": timestamp(user.created_at),
        "bot": user.bot,
        "email": user.email,
        "projects_limit": user.projects_limit,
        "is_admin": user.is_admin,
    }


def project_details(details: ProjectDetails, *, external_url: str) -> dict[str, object]:
    """Make a single project, with its import, default branch and statistics."""
    project, maintains = details.project, details.level >= AccessLevel.MAINTAINER
    imported = import_status(project, details.imported, [], maintains=maintains)
    entity = full_project(project, external_url=external_url)
    entity |= {"default_branch": details.default_branch, "empty_repo": details.is_empty}
    if details.statistics is not None:
        entity["statistics"] = _statistics(details.statistics)
    # GitLab shows maintainers the address without its credentials. Here all of it is sealed.
    address = {"import_url": None} if maintains else {}
    return (
        entity
        | address
        | {key: imported[key] for key in ("import_status", "import_type")}
        | {"import_error": import_error(details.imported, maintains=maintains)}
    )


def _statistics(found: Statistics) -> dict[str, object]:
    """Make the sizes of the project's content. Those of content that no archive has are 0."""
    return {
        "storage_size": found.storage_size,
        **asdict(found),
        "job_artifacts_size": 0,
        "pipeline_artifacts_size": 0,
        "packages_size": 0,
    }


def relation_import(project: Project, job: Job) -> dict[str, object]:
    """Make a relation import."""
    order = job.order
    assert isinstance(order, RelationImportOrder)  # noqa: S101  # of this kind of job
    return {
        "id": job.id,
        "project_path": project.full_path,
        "relation": order.relation,
        "status": _RELATION_STATUS[job.state],
        "created_at": timestamp(job.created_at),
        "updated_at": timestamp(job.finished_at or job.started_at or job.created_at),
    }


def relation_status(status: RelationStatus) -> dict[str, object]:
    """Make the status of an exported relation, with its batches if it is batched."""
    updated_at = timestamp(status.updated_at)
    entity: dict[str, object] = {
        "relation": status.relation,
        "status": _FINISHED,
        "error": None,
        "updated_at": updated_at,
        "batched": status.batched,
        "batches_count": len(status.counts) if status.batched else 0,
        "total_objects_count": sum(status.counts),
    }
    batches = [
        {"status": _FINISHED, "batch_number": number, "objects_count": count, "error": None,
         "updated_at": updated_at}
        for number, count in enumerate(status.counts, start=1)
    ]  # fmt: skip
    return entity | {"batches": batches} if status.batched else entity


def branch_entity(repository: Repository, name: str, *, external_url: str) -> dict[str, object]:
    """Make a branch."""
    references = repository.references
    return {
        "name": name,
        "commit": _commit(references.branches[name]),
        "default": name == references.default_branch,
        "web_url": f"{external_url}/{repository.project.full_path}/-/tree/{name}",
    }


def tag_entity(repository: Repository, name: str) -> dict[str, object]:
    """Make a tag. An annotated tag shows its own object id, because bundles do not list the commit's."""
    object_id = repository.references.tags[name]
    return {"name": name, "target": object_id, "commit": _commit(object_id)}


def _commit(object_id: str) -> dict[str, object]:
    return {"id": object_id, "short_id": object_id[:_SHORT]}
