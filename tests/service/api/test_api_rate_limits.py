from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path

import pytest

from services.api.http.bodies import LARGEST_BODY
from tests.support.api import ARCHIVE, Answer, Api, running_api
from tests.support.forms import HEADERS, Part, form_body

TOO_MANY = {"message": {"error": "This endpoint has been requested too many times. Try again later."}}


def _rate(answer: Answer) -> tuple[str, ...]:
    names = ("Name", "Limit", "Observed", "Remaining")
    return tuple(answer.headers.get(f"RateLimit-{name}", "") for name in names)


async def _import(api: Api) -> Answer:
    body = form_body([Part("path", "p"), Part("file", ARCHIVE, "x.tar.gz")])
    return await api.post("/projects/import", by="ann", data=body, headers=HEADERS)


@pytest.mark.parametrize("api", [{"project_export_limit": 2}], indirect=True)
async def test_every_limited_answer_tells_how_the_caller_stands(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    answers = [await api.post(f"/projects/{project.id}/export", by="ann") for _ in range(4)]

    assert [answer.status for answer in answers] == [202, 400, 429, 429]
    assert [_rate(answer) for answer in answers] == [
        ("project_export", "2", "1", "1"),
        ("project_export", "2", "2", "0"),
        ("project_export", "2", "3", "0"),
        ("project_export", "2", "4", "0"),
    ]
    assert answers[3].body == TOO_MANY
    now = await api.pool.fetchval("SELECT extract(epoch FROM now())::float")
    assert all(0 <= int(answer.headers["RateLimit-Reset"]) - now <= 61 for answer in answers)
    assert len({answer.headers["RateLimit-Reset"] for answer in answers}) == 1
    assert ["Retry-After" in answer.headers for answer in answers] == [False, False, True, True]


async def test_an_answer_without_a_limit_tells_of_none(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann")

    assert answer.status == 202
    assert not [name for name in answer.headers if name.startswith("RateLimit")]


@pytest.mark.parametrize("api", [{"project_import_limit": 6}], indirect=True)
async def test_the_seventh_import_is_refused_also_where_the_others_failed(api: Api) -> None:
    await api.user("ann")
    statuses = [(await _import(api)).status for _ in range(6)]

    answer = await _import(api)

    assert statuses == [201, 400, 400, 400, 400, 400]
    assert (answer.status, answer.body) == (429, TOO_MANY)
    assert _rate(answer) == ("project_import", "6", "7", "0")


@pytest.mark.parametrize("api", [{"project_import_limit": 1}], indirect=True)
async def test_an_import_with_wrong_parameters_is_not_counted(api: Api) -> None:
    await api.user("ann")
    wrong = form_body([Part("path", "p")])

    refused = [
        await api.post("/projects/import", by="ann", data=wrong, headers=HEADERS),
        await api.post("/projects/remote-import", by="ann", json={}),
        await api.post("/projects/remote-import-s3", by="ann", json={"path": "p"}),
    ]

    assert [answer.status for answer in refused] == [400] * 3
    assert _rate(refused[0]) == ("",) * 4
    assert [(await _import(api)).status for _ in range(2)] == [201, 429]
    again = await api.post("/projects/import", by="ann", data=wrong, headers=HEADERS)
    assert (again.status, again.body) == (400, {"error": "file is missing"})


@pytest.mark.parametrize("api", [{"import_sources": ()}], indirect=True)
@pytest.mark.parametrize(("size", "told"), [(1, 400), (LARGEST_BODY, 403)])
async def test_what_is_wrong_with_a_small_form_is_told_before_that_imports_are_off(
    api: Api, size: int, told: int
) -> None:
    await api.user("ann")
    body = form_body([Part("file", bytes(size), "x.tar.gz")])

    answer = await api.post("/projects/import", by="ann", data=BytesIO(body), headers=HEADERS)

    assert answer.status == told
    right = form_body([Part("path", "p"), Part("file", b"x", "x.zip")])
    assert (await api.post("/projects/import", by="ann", data=right, headers=HEADERS)).status == 403
    assert await api.objects_left() == 0


@pytest.mark.parametrize("api", [{"project_download_export_limit": 1}], indirect=True)
async def test_a_download_of_nothing_counts_too(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    answers = [await api.get(f"/projects/{project.id}/export/download", by="ann") for _ in range(2)]

    assert [answer.status for answer in answers] == [404, 429]
    assert _rate(answers[1]) == ("project_download_export", "1", "2", "0")


@pytest.mark.parametrize("api", [{"project_export_limit": 10}], indirect=True)
async def test_a_limit_holds_for_all_processes_together(api: Api, database_url: str, tmp_path: Path) -> None:
    project = await api.project(await api.user("ann"))
    async with running_api(database_url, tmp_path / "other", project_export_limit=10) as other:
        other.tokens = api.tokens
        calls = [each.post(f"/projects/{project.id}/export", by="ann") for each in (api, other) * 10]
        statuses = [answer.status for answer in await asyncio.gather(*calls)]

    assert (statuses.count(202), statuses.count(400), statuses.count(429)) == (1, 9, 10)


async def test_a_limit_that_is_changed_holds_for_the_minute_that_has_begun(api: Api) -> None:
    await api.user("root", is_admin=True)
    project = await api.project(await api.user("ann"))
    path = f"/projects/{project.id}/export"
    for limit, status in ((2, 202), (1, 429), (0, 400), (3, 400), (3, 429)):
        await api.call("PUT", "/api/v4/application/settings", by="root", json={"project_export_limit": limit})
        assert (await api.post(path, by="ann")).status == status
