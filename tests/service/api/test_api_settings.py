from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.accounts.models import User
from shared.archive.limits import MIB, Limits
from shared.ledger import objects
from shared.projects.models import Project
from shared.settings.application import ApplicationSettings
from shared.settings.archive_limits import current_limits
from shared.settings.store import application_settings
from shared.usecases.settings import InstanceSettings
from tests.support.api import ARCHIVE, Answer, Api, running_api
from tests.support.forms import HEADERS, Part, form_body

SCHEME = "has an entry with a scheme (http://a:80): give the host alone, or the host and its port"

SETTINGS = "/application/settings"
TOO_LARGE = {"message": "The project size exceeds the export limit."}


@pytest.fixture
async def root(api: Api) -> User:
    return await api.user("root", is_admin=True)


async def _set(api: Api, **values: Any) -> Answer:
    return await api.call("PUT", f"/api/v4{SETTINGS}", by="root", json=values)


async def _have_content(api: Api, project: Project, size: int) -> None:
    """Make what an index says of so much content, in two files, the current content of the project."""
    snapshot = await api.pool.fetchval(
        "INSERT INTO snapshots (project_id, committed_at) VALUES ($1, now()) RETURNING id", project.id
    )
    named = await objects.register(api.pool, kind="pack")
    await api.pool.executemany(
        """INSERT INTO entries (snapshot_id, name, kind, mtime, object_id, raw_size)
           VALUES ($1, $2, 'blob', 0, $3, $4)""",
        [(snapshot, "a", named.id, size - 10), (snapshot, "b", named.id, 10)],
    )
    await api.pool.execute("UPDATE projects SET snapshot_id = $1 WHERE id = $2", snapshot, project.id)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[InstanceSettings]:
    """Who read the settings from the database, once for each time."""
    seen: list[InstanceSettings] = []
    current = InstanceSettings.current

    async def counted(settings: InstanceSettings) -> ApplicationSettings:
        seen.append(settings)
        return await current(settings)

    monkeypatch.setattr(InstanceSettings, "current", counted)
    return seen


async def test_a_request_reads_the_settings_once_at_most(
    api: Api, ann: User, reads: list[InstanceSettings]
) -> None:
    project = await api.project(ann)
    archive = form_body([Part("path", "q"), Part("file", ARCHIVE, "x.tar.gz")])
    for method, path, status, body in (
        ("POST", f"/projects/{project.id}/export", 202, {}),
        ("GET", f"/projects/{project.id}/export", 200, {}),
        ("GET", f"/projects/{project.id}/export/download", 404, {}),
        ("POST", "/projects/import", 201, {"data": archive, "headers": HEADERS}),
    ):
        reads.clear()
        answer = await api.call(method, f"/api/v4{path}", by="ann", **body)
        assert (answer.status, len(reads) <= 1) == (status, True), path


@pytest.mark.usefixtures("root")
async def test_administrators_see_the_settings_and_others_do_not(api: Api) -> None:
    await api.user("ann")

    shown = await api.get(SETTINGS, by="root")

    assert shown.status == 200
    expected = {
        "max_import_size": 0,
        "max_export_size": 0,
        "max_import_remote_file_size": 10240,
        "max_decompressed_archive_size": 25600,
        "project_import_limit": 0,
        "github_import_limit": 0,
        "project_export_limit": 0,
        "project_download_export_limit": 0,
        "allow_local_requests_from_web_hooks_and_services": False,
        "outbound_local_requests_allowlist": [],
        "outbound_local_requests_whitelist": [],
        "bulk_import_enabled": False,
        "import_sources": ["gitlab_project", "git", "github"],
        "project_export_enabled": True,
        "export_retention": 24,
    }
    assert shown.body == expected
    for method in ("GET", "PUT"):
        refused = await api.call(method, f"/api/v4{SETTINGS}", by="ann", json={"max_export_size": 1})
        assert (refused.status, refused.body) == (403, {"message": "403 Forbidden"})
        assert (await api.call(method, f"/api/v4{SETTINGS}")).status == 401


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"max_import_size": "7"}, {"max_import_size": 7}),
        ({"bulk_import_enabled": "True"}, {"bulk_import_enabled": True}),
        ({"import_sources": "github,gitlab_project"}, {"import_sources": ["github", "gitlab_project"]}),
        ({"import_sources": []}, {"import_sources": []}),
        ({"export_retention": "48"}, {"export_retention": 48}),
        (
            {"outbound_local_requests_whitelist": ["10.0.0.0/8", " a:80 "]},
            {
                "outbound_local_requests_allowlist": ["10.0.0.0/8", "a:80"],
                "outbound_local_requests_whitelist": ["10.0.0.0/8", "a:80"],
            },
        ),
        (
            {"outbound_local_requests_allowlist": "a\nb,c", "not_known": 1},
            {
                "outbound_local_requests_allowlist": ["a", "b", "c"],
                "outbound_local_requests_whitelist": ["a", "b", "c"],
            },
        ),
    ],
)
async def test_what_is_given_is_changed_and_the_rest_stays(
    api: Api, given: dict[str, Any], changed: dict[str, Any]
) -> None:
    await _set(api, max_export_size=5)
    before = (await api.get(SETTINGS, by="root")).body

    answer = await _set(api, **given)

    assert (answer.status, answer.body) == (200, before | changed)
    assert (await api.get(SETTINGS, by="root")).body == before | changed


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"max_import_size": "many"}, {"error": "max_import_size is invalid"}),
        ({"bulk_import_enabled": 7}, {"error": "bulk_import_enabled is invalid"}),
        ({"import_sources": ["svn"]}, {"error": "import_sources does not have a valid value"}),
        ({"import_sources": [1]}, {"error": "import_sources is invalid"}),
        ({"max_import_size": -1}, {"message": {"max_import_size": ["must be greater than or equal to 0"]}}),
        (
            {"max_export_size": 2**31},
            {"message": {"max_export_size": ["must be less than or equal to 2147483647"]}},
        ),
        ({"export_retention": 0}, {"message": {"export_retention": ["must be between 1 and 87600 hours"]}}),
        (
            {"outbound_local_requests_allowlist": "10.0.0.1\nhttp://a:80"},
            {"message": {"outbound_local_requests_allowlist": [SCHEME]}},
        ),
        (
            {"outbound_local_requests_allowlist": ["a"] * 1001},
            {"message": {"outbound_local_requests_allowlist": ["is too long (maximum is 1000 entries)"]}},
        ),
    ],
)  # fmt: skip
async def test_a_wrong_value_changes_nothing(api: Api, given: dict[str, Any], body: object) -> None:
    answer = await _set(api, max_decompressed_archive_size=1, **given)

    assert (answer.status, answer.body) == (400, body)
    assert await application_settings(api.pool, ApplicationSettings()) == ApplicationSettings()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("given", [{}, {"not_known": 1}])
async def test_a_change_of_nothing_is_refused(api: Api, given: dict[str, Any]) -> None:
    answer = await _set(api, **given)

    assert answer.status == 400
    assert answer.body["error"].endswith("are missing, at least one parameter must be provided")


@pytest.mark.usefixtures("root")
async def test_a_change_holds_at_once_in_every_process(api: Api, database_url: str, tmp_path: Path) -> None:
    project = await api.project(await api.user("ann"))
    async with running_api(database_url, tmp_path / "other") as other:
        other.tokens = api.tokens
        for enabled, status in ((False, 404), (True, 200), (False, 404)):
            await _set(api, project_export_enabled=enabled)
            assert (await other.get(f"/projects/{project.id}/export", by="ann")).status == status


async def test_a_setting_of_a_newer_version_is_passed_over(api: Api) -> None:
    await api.pool.execute("""INSERT INTO application_settings VALUES ('not_known', '1')""")

    assert await application_settings(api.pool, ApplicationSettings()) == ApplicationSettings()


@pytest.mark.usefixtures("root")
async def test_a_project_over_the_limit_is_not_exported(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await _have_content(api, project, 4 * 1024 * 1024)
    await api.archive(project, ann)
    await _set(api, max_export_size=1)

    answer = await api.post(f"/projects/{project.id}/export", by="ann")

    assert (answer.status, answer.body) == (400, TOO_LARGE)
    assert (await api.get(f"/projects/{project.id}/export/download", by="ann")).status == 404
    await _set(api, max_export_size=0)
    assert (await api.post(f"/projects/{project.id}/export", by="ann")).status == 202


@pytest.mark.usefixtures("root")
async def test_that_a_project_is_too_large_is_told_before_that_an_export_is_under_way(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await _have_content(api, project, 4 * 1024 * 1024)
    await api.job(project, ann)
    await _set(api, max_export_size=1)

    answer = await api.post(f"/projects/{project.id}/export", by="ann")

    assert (answer.status, answer.body) == (400, TOO_LARGE)


@pytest.mark.usefixtures("root")
async def test_a_project_within_the_limit_is_exported(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    await _have_content(api, project, 1024 * 1024)
    await _set(api, max_export_size=1)

    assert (await api.post(f"/projects/{project.id}/export", by="ann")).status == 202


async def test_only_the_current_content_counts_as_size(api: Api) -> None:
    await api.user("root", is_admin=True)
    project = await api.project(await api.user("ann"))
    await _have_content(api, project, 4 * 1024 * 1024)
    await _have_content(api, project, 100)
    await _set(api, max_export_size=1)

    assert (await api.post(f"/projects/{project.id}/export", by="ann")).status == 202


@pytest.mark.usefixtures("root")
async def test_an_import_that_begins_takes_the_limit_of_the_moment(api: Api) -> None:
    defaults = ApplicationSettings(max_decompressed_archive_size=7)
    limits = Limits(entries=5)

    assert await current_limits(api.pool, limits, defaults=defaults) == Limits(
        entries=5, decompressed=7 * MIB
    )
    await _set(api, max_decompressed_archive_size=3)
    assert await current_limits(api.pool, limits, defaults=defaults) == Limits(
        entries=5, decompressed=3 * MIB
    )
