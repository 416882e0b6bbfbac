"""Imports from a GitHub for tests, by GitLab's own requests for them."""

from __future__ import annotations

from shared.jobs.models import Job, JobKind
from shared.projects import store
from shared.remote.resolver import TableResolver
from tests.support.api import Answer, Api
from tests.support.github.github import HOSTS, TOKEN, GitHub
from tests.support.github.repositories import Repository

NAMES = TableResolver(
    {
        **HOSTS,
        "files.test": ["127.0.0.2"],
        "other.test": ["127.0.0.2"],
        "inside.test": ["10.0.0.1"],
        "api.github.com": ["10.0.0.2"],
    }
)
"""Names of servers that may be asked, and of some that may not."""


def asking(github: GitHub, repository: Repository, **more: object) -> dict[str, object]:
    """The parameters of an import by ann, into her own namespace."""
    return {
        "personal_access_token": TOKEN,
        "repo_id": repository.stamp.id,
        "target_namespace": "ann",
        "github_hostname": github.site.web,
    } | more


async def create(api: Api, given: dict[str, object], *, by: str | None = "ann") -> Answer:
    """Ask for an import."""
    return await api.post("/import/github", by=by, json=given)


async def cancel(api: Api, project_id: object, *, by: str | None = "ann") -> Answer:
    """Ask to cancel one."""
    return await api.post("/import/github/cancel", by=by, json={"project_id": project_id})


async def job_of(api: Api, answer: Answer) -> Job:
    """The import of the project that was answered."""
    project = await store.find_by_id(api.pool, answer.body["id"])
    assert project is not None
    return await api.newest(project, JobKind.GITHUB_IMPORT)


async def projects(api: Api) -> int:
    """How many there are."""
    count: int = await api.pool.fetchval("SELECT count(*) FROM projects")
    return count


def entity(answer: Answer, status: str) -> dict[str, object]:
    """What is answered of the import of ``octo/Hello.World`` by ann."""
    return {
        "id": answer.body["id"],
        "name": "Hello.World",
        "full_path": "/ann/Hello.World",
        "full_name": "Ann / Hello.World",
        "refs_url": "/ann/Hello.World/refs",
        "forked": False,
        "import_source": "octo/Hello.World",
        "import_status": status,
        "human_import_status_name": status,
        "provider_link": "/octo/Hello.World",
        "relation_type": None,
    }
