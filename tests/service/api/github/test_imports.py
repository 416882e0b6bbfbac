from __future__ import annotations

import pytest
from yarl import URL

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel
from shared.accounts.namespaces import create_group
from shared.gitlab.visibility import Visibility
from shared.jobs.models import GitHubOrder, GitHubStages, ImportOrder, RemoteSource, SourceForm
from shared.projects.people_maps import find_map_for
from shared.remote.api_address import ApiAddress
from tests.support.api import Api
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.imports import asking, create, entity, job_of, projects
from tests.support.github.repositories import Repository
from tests.support.sealing import opened

MISSING = "Namespace or group to import repository into does not exist."
NOT_ALLOWED = "You are not allowed to import projects in this namespace."


async def test_a_project_is_created_and_its_import_ordered(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answer = await create(api, asking(github, repository))

    assert (answer.status, answer.body) == (201, entity(answer, "scheduled"))
    job = await job_of(api, answer)
    url = ApiAddress(URL(github.site.api), TOKEN).write()
    source = RemoteSource(url=url, form=SourceForm.GITHUB)
    order = GitHubOrder(full_name="octo/Hello.World", repository_id=repository.stamp.id, api=github.site.api)
    assert opened(job) == ImportOrder(source=source, github=order)
    assert answer.headers["X-Crossdock-Job"] == str(job.id)
    project = (await api.get(f"/projects/{job.project_id}", by="ann")).body
    assert (project["description"], project["visibility"]) == ("Greets", "public")
    told = ("import_status", "import_type", "import_error", "import_url")
    assert tuple(project[name] for name in told) == ("scheduled", "github", None, None)


@pytest.mark.parametrize(
    ("given", "stages", "page_size"),
    [
        ({}, GitHubStages(), 100),
        (
            {"optional_stages": {"attachments_import": True, "unknown": 1}},
            GitHubStages(attachments_import=True),
            100,
        ),
        ({"optional_stages[release_assets_import]": "true"}, GitHubStages(release_assets_import=True), 100),
        (
            {"optional_stages": {"collaborators_import": "1", "single_endpoint_notes_import": [7]}},
            GitHubStages(collaborators_import=True),
            100,
        ),
        ({"pagination_limit": "1", "timeout_strategy": "optimistic"}, GitHubStages(), 1),
    ],
)
async def test_stages_and_the_size_of_pages_are_ordered(
    api: Api,
    github: GitHub,
    repository: Repository,
    given: dict[str, object],
    stages: GitHubStages,
    page_size: int,
) -> None:
    answer = await create(api, asking(github, repository, **given))
    order = opened(await job_of(api, answer))
    assert isinstance(order, ImportOrder)
    assert order.github is not None
    assert (order.github.stages, order.github.page_size) == (stages, page_size)


async def test_a_map_of_people_comes_with_it(api: Api, github: GitHub, repository: Repository) -> None:
    rows = [{"source_user_identifier": 7, "gitlab_username": "jane"}]
    refused = await create(api, asking(github, repository, people="no map"))
    assert (refused.status, refused.body["error"][:19]) == (400, "people is invalid: ")
    answer = await create(api, asking(github, repository, people=rows))
    stored = await find_map_for(api.pool, answer.body["id"])
    assert stored is not None
    assert stored.people.rows[0].gitlab_username == "jane"


@pytest.mark.parametrize(("given", "keeps"), [({}, False), ({"keep_pages": "true"}, True)])
async def test_what_github_answers_is_kept_where_that_is_wanted(
    api: Api, github: GitHub, repository: Repository, given: dict[str, object], *, keeps: bool
) -> None:
    order = opened(await job_of(api, await create(api, asking(github, repository, **given))))
    assert isinstance(order, ImportOrder)
    assert order.github is not None
    assert order.github.keeps_pages is keeps


async def test_a_new_name_is_name_and_path(api: Api, github: GitHub, repository: Repository) -> None:
    answer = await create(api, asking(github, repository, new_name="other"))
    assert (answer.body["name"], answer.body["full_path"]) == ("other", "/ann/other")


@pytest.mark.parametrize(
    ("is_private", "of_group", "visibility"),
    [(True, Visibility.PUBLIC, "private"), (False, Visibility.INTERNAL, "internal"), (False, 20, "public")],
)
async def test_a_private_repository_is_private_and_another_as_visible_as_the_group(
    api: Api,
    github: GitHub,
    repository: Repository,
    is_private: bool,  # noqa: FBT001  # of the parameters
    of_group: Visibility,
    visibility: str,
) -> None:
    repository.is_private = is_private
    await group(api, "crew", AccessLevel.MAINTAINER, Visibility(of_group))
    answer = await create(api, asking(github, repository, target_namespace="crew"))
    project = (await api.get(f"/projects/{answer.body['id']}", by="ann")).body
    assert project["visibility"] == visibility


async def group(api: Api, path: str, level: AccessLevel, visibility: Visibility = Visibility.PRIVATE) -> None:
    """A group, with ann as its member unless the level is none."""
    made = await create_group(api.pool, path, name=path, visibility=visibility)
    ann = await api.pool.fetchval("SELECT id FROM users WHERE username = 'ann'")
    if level:
        await add_member(api.pool, ann, namespace_id=made.id, level=level)


@pytest.mark.parametrize(
    ("level", "visibility", "told"),
    [
        (AccessLevel.DEVELOPER, Visibility.PRIVATE, NOT_ALLOWED),
        (AccessLevel.NONE, Visibility.PUBLIC, NOT_ALLOWED),
        (AccessLevel.NONE, Visibility.PRIVATE, MISSING),
    ],
)
async def test_a_namespace_takes_imports_of_its_maintainers_alone_and_a_hidden_one_is_not_told_of(
    api: Api, github: GitHub, repository: Repository, level: AccessLevel, visibility: Visibility, told: str
) -> None:
    await group(api, "crew", level, visibility)
    answer = await create(api, asking(github, repository, target_namespace="crew"))
    assert (answer.status, answer.body) == (422, {"errors": told})
    assert (await projects(api), github.requests) == (0, 0)


async def test_another_users_namespace_and_one_that_is_not_there_are_refused(
    api: Api, github: GitHub, repository: Repository
) -> None:
    await api.user("bob")
    answers = [
        await create(api, asking(github, repository, target_namespace=name)) for name in ("bob", "nowhere/x")
    ]
    assert [answer.body for answer in answers] == [{"errors": NOT_ALLOWED}, {"errors": MISSING}]


async def test_a_bot_creates_no_project_in_a_namespace_of_its_own(
    api: Api, github: GitHub, repository: Repository
) -> None:
    await api.pool.execute("UPDATE users SET bot = true")
    answer = await create(api, asking(github, repository))
    assert (answer.status, answer.body) == (422, {"errors": NOT_ALLOWED})


async def test_a_description_that_no_project_may_have_is_refused(
    api: Api, github: GitHub, repository: Repository
) -> None:
    repository.description = "x" * 2001
    answer = await create(api, asking(github, repository))
    told = {"errors": "Description is too long (maximum is 2000 characters)"}
    assert (answer.status, answer.body) == (422, told)


async def test_a_description_keeps_what_can_be_stored(
    api: Api, github: GitHub, repository: Repository
) -> None:
    repository.description = "a\0b"
    answer = await create(api, asking(github, repository))
    assert (await api.get(f"/projects/{answer.body['id']}", by="ann")).body["description"] == "ab"


async def test_a_name_that_is_taken_or_none_is_refused_with_all_that_is_wrong(
    api: Api, github: GitHub, repository: Repository
) -> None:
    await create(api, asking(github, repository))
    taken = await create(api, asking(github, repository))
    wrong = await create(api, asking(github, repository, new_name="-/"))
    long = await create(api, asking(github, repository, new_name="x" * 256))
    assert (taken.status, taken.body) == (422, {"errors": "Path has already been taken"})
    assert wrong.status == 422
    assert "Name can contain only letters" in wrong.body["errors"]
    assert "'. It must not start with '-'" not in wrong.body["errors"].split(", Project namespace path")[0]
    assert ", Project namespace path can only include" in wrong.body["errors"]
    assert long.body["errors"].startswith("Name is too long (maximum is 255 characters), Path is too long")
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 1


async def test_a_user_with_too_many_projects_is_refused(
    api: Api, github: GitHub, repository: Repository
) -> None:
    await api.pool.execute("UPDATE users SET projects_limit = 0")
    answer = await create(api, asking(github, repository))
    assert answer.status == 422
    assert answer.body["errors"].startswith("Limit reached You cannot create projects")


@pytest.mark.parametrize("api", [{"import_sources": ("gitlab_project", "git")}], indirect=True)
async def test_it_is_forbidden_where_administrators_say_so_before_github_gets_the_token(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answer = await create(api, asking(github, repository))
    assert (answer.status, answer.body) == (403, {"errors": ["github import source is disabled"]})
    assert github.requests == 0


async def test_strangers_are_asked_who_they_are(api: Api) -> None:
    for path in ("github", "github/cancel", "github/gists"):
        answer = await api.post(f"/import/{path}", json={})
        assert (answer.status, answer.body) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"personal_access_token": ...}, "personal_access_token is missing"),
        ({"repo_id": ...}, "repo_id is missing"),
        ({"repo_id": "octo/hello"}, "repo_id is invalid"),
        ({"repo_id": {"a": 1}}, "repo_id is invalid"),
        ({"repo_id": 10**18}, "repo_id is invalid"),
        ({"repo_id": 1.5}, "repo_id is invalid"),
        ({"target_namespace": ...}, "target_namespace is missing, target_namespace is empty"),
        ({"target_namespace": " "}, "target_namespace is empty"),
        ({"target_namespace": None}, "target_namespace is empty"),
        ({"target_namespace": ["ann"]}, "target_namespace is invalid"),
        ({"target_namespace": "ann\0"}, "target_namespace is invalid"),
        ({"new_name": ["x"]}, "new_name is invalid"),
        ({"personal_access_token": {"x": "y"}}, "personal_access_token is invalid"),
        ({"github_hostname": ["x"]}, "github_hostname is invalid"),
        ({"optional_stages": "all"}, "optional_stages is invalid"),
        ({"timeout_strategy": "hopeful"}, "timeout_strategy does not have a valid value"),
        ({"pagination_limit": 0}, "pagination_limit does not have a valid value"),
        ({"pagination_limit": 101}, "pagination_limit does not have a valid value"),
        ({"pagination_limit": "x"}, "pagination_limit is invalid"),
        (
            {"personal_access_token": ..., "repo_id": ...},
            "personal_access_token is missing, repo_id is missing",
        ),
    ],
)
@pytest.mark.parametrize("api", [{"github_import_limit": 1}], indirect=True)
async def test_wrong_parameters_are_refused_and_not_counted(
    api: Api, github: GitHub, repository: Repository, change: dict[str, object], told: str
) -> None:
    given = asking(github, repository, **change)
    answer = await create(api, {name: value for name, value in given.items() if value is not ...})
    assert (answer.status, answer.body) == (400, {"error": told})
    assert (await create(api, asking(github, repository))).status == 201


@pytest.mark.parametrize("api", [{"github_import_limit": 6, "project_import_limit": 1}], indirect=True)
async def test_the_seventh_import_of_a_user_in_a_minute_is_refused_before_anything_is_asked(
    api: Api, github: GitHub, repository: Repository
) -> None:
    await api.user("bob")
    names = ("http://10.0.0.1", *[github.site.web] * 5)
    given = [
        asking(github, repository, github_hostname=host, new_name=f"n{number}")
        for number, host in enumerate(names)
    ]
    statuses = [(await create(api, each)).status for each in given]
    asked = github.requests

    answer = await create(api, asking(github, repository, github_hostname="http://10.0.0.1"))

    assert statuses == [400, 201, 201, 201, 201, 201]
    told = "This endpoint has been requested too many times. Try again later."
    assert (answer.status, answer.body) == (429, {"errors": told})
    assert (answer.headers["RateLimit-Name"], answer.headers["RateLimit-Limit"]) == ("github_import", "6")
    assert int(answer.headers["Retry-After"]) > 0
    assert github.requests == asked
    of_bob = asking(github, repository, target_namespace="bob")
    assert (await create(api, of_bob, by="bob")).status == 201


async def test_the_status_has_the_counts_that_a_worker_has_told(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answer = await create(api, asking(github, repository))
    path = f"/projects/{answer.body['id']}/import"
    before = (await api.get(path, by="ann")).body
    counts = {"fetched": {"issue": 2}, "imported": {"issue": 1}}
    await api.pool.execute("UPDATE jobs SET progress = $1", {"stats": counts})
    after = (await api.get(path, by="ann")).body
    assert (before["import_type"], before["import_status"]) == ("github", "scheduled")
    assert (before["stats"], after["stats"]) == ({"fetched": {}, "imported": {}}, counts)
    assert list(before)[-6:] == [
        "import_status", "import_type", "correlation_id", "failed_relations", "import_error", "stats",
    ]  # fmt: skip
