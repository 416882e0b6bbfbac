from __future__ import annotations

import pytest

from services.api.queue.masking import without_secrets
from shared.jobs import store as jobs
from shared.jobs.models import GitHubStages, ImportOrder, JobKind
from shared.outbound.remote_imports import RemoteImportPolicy
from tests.support.api import Api
from tests.support.commands import command, forge
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.imports import NAMES
from tests.support.github.repositories import Repository
from tests.support.sealing import opened

REMOTE = RemoteImportPolicy(schemes=("https", "http"), resolver=NAMES)
ALLOWED = ("127.0.0.2",)


def ordering(github: GitHub, repository: Repository, **more: object) -> dict[str, object]:
    source = {
        "personal_access_token": TOKEN,
        "repo_id": repository.stamp.id,
        "github_hostname": github.site.web,
    }
    return {"path": "p", "source": {"github": source | more}}


def naming(github: GitHub, repository: str) -> dict[str, object]:
    source = {"personal_access_token": TOKEN, "repository": repository, "github_hostname": github.site.web}
    return {"path": "p", "source": {"github": source}}


async def test_a_repository_of_github_is_imported_and_looked_at_first(
    api: Api, github: GitHub, repository: Repository
) -> None:
    async with forge(api, remote=REMOTE, outbound_local_requests_allowlist=ALLOWED) as sending:
        stages = {"attachments_import": True}
        good = await sending.ask("import.requested", ordering(github, repository, optional_stages=stages))
        unknown = await sending.ask(
            "import.requested", ordering(github, repository, repo_id=1) | {"path": "q"}
        )
        blocked = ordering(github, repository, github_hostname="http://10.0.0.1")
        refused = await sending.ask("import.requested", blocked)
    job = await jobs.find(api.pool, good.data["job"]["id"])
    assert job is not None
    order = opened(job)
    assert isinstance(order, ImportOrder)
    assert order.github is not None
    assert (job.kind, good.data["job"]["kind"]) == (JobKind.GITHUB_IMPORT, "import")
    assert (order.github.full_name, order.github.stages) == (
        "octo/Hello.World",
        GitHubStages(attachments_import=True),
    )
    assert (unknown.data["status"], unknown.data["reason"]) == (
        422,
        "Import failed because of a GitHub error: Not Found (HTTP 404)",
    )
    assert (refused.data["status"], refused.data["reason"]) == (400, "Invalid URL: http://10.0.0.1")
    texts = (repr(each.data) for each in (good, unknown, refused))
    assert TOKEN not in "".join(texts)


async def test_a_repository_is_named_as_people_know_it(
    api: Api, github: GitHub, repository: Repository
) -> None:
    async with forge(api, remote=REMOTE, outbound_local_requests_allowlist=ALLOWED) as sending:
        good = await sending.ask("import.requested", naming(github, "octo/Hello.World"))
        unknown = await sending.ask("import.requested", naming(github, "octo/none") | {"path": "q"})
    job = await jobs.find(api.pool, good.data["job"]["id"])
    assert job is not None
    order = opened(job)
    assert isinstance(order, ImportOrder)
    assert order.github is not None
    assert order.github.repository_id == repository.stamp.id
    assert (unknown.data["status"], "Not Found" in unknown.data["reason"]) == (422, True)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x", "source[github] is invalid"),
        (
            {},
            "source[github][personal_access_token] is missing, source[github][repository] is missing",
        ),
        (
            {"personal_access_token": TOKEN, "repo_id": "octo/one"},
            "source[github][repo_id] is invalid",
        ),
        (
            {"personal_access_token": TOKEN, "repository": "octo"},
            "source[github][repository] has to be OWNER/REPO, the address of its page, or its number",
        ),
        (
            {"personal_access_token": TOKEN, "repository": "octo/one", "repo_id": 1},
            "repository, repo_id are mutually exclusive",
        ),
    ],
)
async def test_what_names_no_repository_is_answered_with_what_is_wrong(
    api: Api, source: object, reason: str
) -> None:
    async with forge(api) as sending:
        answer = await sending.ask("import.requested", {"path": "p", "source": {"github": source}})
    assert (answer.data["status"], answer.data["reason"]) == (400, reason)


async def test_its_limit_is_that_of_imports_from_github(
    api: Api, github: GitHub, repository: Repository
) -> None:
    limits = {"github_import_limit": 1, "project_import_limit": 1}
    async with forge(api, remote=REMOTE, outbound_local_requests_allowlist=ALLOWED, **limits) as sending:
        first = await sending.ask("import.requested", ordering(github, repository))
        second = await sending.ask("import.requested", ordering(github, repository) | {"path": "q"})
        other = await sending.ask(
            "import.requested", {"path": "r", "source": {"url": "http://10.0.0.1/x.gz"}}
        )
    assert (first.accepted, second.data["status"], second.data["retry_after"] > 0) == (True, 429, True)
    assert other.data["status"] == 400


async def test_a_command_that_was_refused_is_kept_without_its_token(
    github: GitHub, repository: Repository
) -> None:
    given = ordering(github, repository, github_hostname="http://me:s3cret@github.example.test")
    kept = without_secrets(command("import.requested", given)).body
    assert b"personal_access_token" in kept
    assert TOKEN.encode() not in kept
    assert b"s3cret" not in kept
