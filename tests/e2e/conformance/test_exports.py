"""Cases 1 to 30, 100 and 101 of GitLab's project export: who may ask, what is answered, what comes of it."""

from __future__ import annotations

import gzip
import json
import re
from random import Random
from typing import Any

import pytest

from shared.jobs.models import ExportOrder
from tests.support.api import Answer
from tests.support.instance import Instance
from tests.support.projects import files, project
from tests.support.receivers import receiving

FORBIDDEN = (403, {"message": "403 Forbidden"})
NO_PROJECT = (404, {"message": "404 Project Not Found"})
NOTHING = (404, {"message": "404 Not Found"})
GONE = (404, {"message": "404 Not found or has expired"})
ACCEPTED = (202, {"message": "202 Accepted"})
TOO_MANY = {"message": {"error": "This endpoint has been requested too many times. Try again later."}}
BELOW_MAINTAINER = (30, 20, 10)
IDENTITY = ["id", "description", "name", "name_with_namespace", "path", "path_with_namespace", "created_at"]
LARGE = project(("uploads/a/noise", Random(1).randbytes(1024 * 1024)))  # noqa: S311  # not to be compressed


def _of(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.body


async def _status(gitlab: Instance, number: int, by: str) -> tuple[str, bool]:
    answer = await gitlab.get(f"/projects/{number}/export", by=by)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    return answer.body["export_status"], "_links" in answer.body


@pytest.fixture
async def number(gitlab: Instance, ann: str) -> int:
    """A project of ann's, with something in it."""
    return await gitlab.imported(ann)


@pytest.fixture
async def finished(gitlab: Instance, ann: str, number: int) -> Answer:
    """The status of its finished export."""
    return await gitlab.exported(number, by=ann)


async def test_case_01_nothing_was_exported(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    answer = await gitlab.get(f"/projects/{number}/export", by=ann)
    assert (answer.status, list(answer.body)) == (200, [*IDENTITY, "export_status"])
    assert (answer.body["export_status"], answer.body["path_with_namespace"]) == (
        "none",
        f"{ann}/api-project",
    )
    assert (answer.body["description"], answer.body["path"]) == (None, "api-project")
    assert answer.body["name_with_namespace"] == f"{ann.title()} / {answer.body['name']}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.body["created_at"])


async def test_case_02_the_job_runs(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    await gitlab.held(number, ann, ExportOrder())
    assert await _status(gitlab, number, ann) == ("started", False)


async def test_case_03_a_finished_export_has_links(gitlab: Instance, ann: str, finished: Answer) -> None:
    assert list(finished.body) == [*IDENTITY, "export_status", "_links"]
    assert finished.body["_links"] == {
        "api_url": f"{gitlab.url}/api/v4/projects/{finished.body['id']}/export/download",
        "web_url": f"{gitlab.url}/{ann}/api-project/download_export",
    }


async def test_case_04_a_file_and_a_job_that_runs(gitlab: Instance, ann: str, finished: Answer) -> None:
    number = finished.body["id"]
    await gitlab.held(number, ann, ExportOrder())
    assert await _status(gitlab, number, ann) == ("regeneration_in_progress", False)
    assert (await gitlab.get(f"/projects/{number}/export/download", by=ann)).status == 200


@pytest.mark.parametrize("level", BELOW_MAINTAINER)
async def test_cases_05_15_26_below_maintainer_all_is_forbidden(
    gitlab: Instance, ann: str, level: int
) -> None:
    number = await gitlab.project(ann)
    member = await gitlab.member(number, level)
    for method, path in (("GET", "export"), ("POST", "export"), ("GET", "export/download")):
        assert _of(await gitlab.call(method, f"/projects/{number}/{path}", by=member)) == FORBIDDEN


async def test_cases_06_16_26_a_private_project_is_not_there_for_others(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    for by in (await gitlab.user("eve"), None):
        for method, path in (("GET", "export"), ("POST", "export"), ("GET", "export/download")):
            assert _of(await gitlab.call(method, f"/projects/{number}/{path}", by=by)) == NO_PROJECT


async def test_cases_07_17_28_all_is_hidden_where_exports_are_disabled(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    async with gitlab.settings(project_export_enabled=False):
        for by in ("root", None):
            for method, path in (("GET", "export"), ("POST", "export"), ("GET", "export/download")):
                assert _of(await gitlab.call(method, f"/projects/{number}/{path}", by=by)) == NOTHING


async def test_case_08_a_path_is_as_good_as_an_id(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    by_id = await gitlab.get(f"/projects/{number}/export", by=ann)
    for path in (f"{ann}%2Fapi-project", f"{ann.upper()}%2fAPI-Project", f"%61{ann[1:]}%2Fapi-project"):
        assert _of(await gitlab.get(f"/projects/{path}/export", by=ann)) == (200, by_id.body)


async def test_case_09_no_body_is_needed(gitlab: Instance, ann: str, number: int) -> None:
    answer = await gitlab.post(f"/projects/{number}/export", by=ann)
    assert (*_of(answer), "Location" in answer.headers) == (*ACCEPTED, False)
    assert (await gitlab.until(f"/projects/{number}/export", "export_status", by=ann)).status == 200


async def test_case_10_the_archive_has_the_description(gitlab: Instance, ann: str, number: int) -> None:
    await gitlab.exported(number, by=ann, description="Foo")
    archive = (await gitlab.get(f"/projects/{number}/export/download", by=ann)).body
    assert json.loads(files(archive)["tree/project.json"])["description"] == "Foo"


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ({"data": {"upload[url]": "URL"}}, "PUT"),
        ({"data": {"upload[url]": "URL", "upload[http_method]": "POST"}}, "POST"),
        ({"json": {"upload": {"url": "URL", "http_method": "POST"}}}, "POST"),
    ],
    ids=["case_11", "case_12_form", "case_12_json"],
)
async def test_cases_11_12_the_archive_is_uploaded(
    gitlab: Instance, ann: str, number: int, given: dict[str, dict[str, Any]], method: str
) -> None:
    async with receiving() as receiver:
        url = f"{receiver.url}/x?X-Amz-Signature=a%2Fb"
        sent = {kind: _put_url(fields, url) for kind, fields in given.items()}
        assert _of(await gitlab.post(f"/projects/{number}/export", by=ann, **sent)) == ACCEPTED
        await gitlab.until(f"/projects/{number}/export", "export_status", by=ann)
        (upload,) = receiver.taken  # of a server that takes nothing chunked, and no other type
    archive = (await gitlab.get(f"/projects/{number}/export/download", by=ann)).body
    assert (upload.method, upload.target) == (method, "/x?X-Amz-Signature=a%2Fb")
    assert (upload.body, upload.length) == (archive, str(len(archive)))


def _put_url(fields: dict[str, Any], url: str) -> dict[str, Any]:
    text: dict[str, Any] = json.loads(json.dumps(fields).replace('"URL"', json.dumps(url)))
    return text


async def test_cases_13_101_a_bad_url_is_refused_and_costs_the_file(
    gitlab: Instance, ann: str, finished: Answer
) -> None:
    number = finished.body["id"]
    answer = await gitlab.post(f"/projects/{number}/export", by=ann, data={"upload[url]": "whatever"})
    problem = "is blocked: Only allowed schemes are http, https"
    assert _of(answer) == (400, {"message": {"url": [problem]}})
    assert _of(await gitlab.get(f"/projects/{number}/export/download", by=ann)) == GONE


async def test_case_14_only_put_and_post(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    for method in ("DELETE", "put", ""):
        data = {"upload[url]": "http://h/x", "upload[http_method]": method}
        answer = await gitlab.post(f"/projects/{number}/export", by=ann, data=data)
        assert _of(answer) == (400, {"error": "upload[http_method] does not have a valid value"})


async def test_cases_18_19_a_project_over_the_limit_is_not_exported(gitlab: Instance, ann: str) -> None:
    large = await gitlab.imported(ann, LARGE, "large")
    small = await gitlab.imported(ann, path="small")
    async with gitlab.settings(max_export_size=1):
        refused = await gitlab.post(f"/projects/{large}/export", by=ann)
        assert _of(refused) == (400, {"message": "The project size exceeds the export limit."})
        assert _of(await gitlab.post(f"/projects/{small}/export", by=ann)) == ACCEPTED
    await gitlab.until(f"/projects/{small}/export", "export_status", by=ann)


async def test_case_20_the_seventh_export_of_a_minute(gitlab: Instance, ann: str) -> None:
    numbers = [await gitlab.project(ann, f"project-{number}") for number in range(6)]
    async with gitlab.settings(project_export_limit=6):
        for number in numbers:
            assert (await gitlab.post(f"/projects/{number}/export", by=ann)).status == 202
        answer = await gitlab.post(f"/projects/{numbers[0]}/export", by=ann)
    assert _of(answer) == (429, TOO_MANY)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_cases_21_29_a_new_export_removes_the_old_file(
    gitlab: Instance, ann: str, finished: Answer
) -> None:
    number = finished.body["id"]
    old = await gitlab.pool.fetchval("SELECT job_id FROM archives WHERE project_id = $1", number)
    await gitlab.exported(number, by=ann)
    left = await gitlab.pool.fetch("SELECT job_id FROM archives WHERE project_id = $1", number)
    assert (len(left), left[0]["job_id"] > old) == (1, True)


async def test_a_second_export_of_the_same_user_is_refused_until_the_first_has_ended(
    gitlab: Instance, ann: str
) -> None:
    number = await gitlab.project(ann)
    await gitlab.held(number, ann, ExportOrder())
    answer = await gitlab.post(f"/projects/{number}/export", by=ann)
    text = "An export is already running or queued for this project. Please try again once it's done."
    assert _of(answer) == (400, {"message": text})


async def test_case_22_a_finished_export_is_downloaded(gitlab: Instance, ann: str, finished: Answer) -> None:
    answer = await gitlab.get(f"/projects/{finished.body['id']}/export/download", by=ann)
    stem = f"{ann}_api-project"
    expected = (
        rf"""attachment; filename="(\d{{4}}-\d\d-\d\d_\d\d-\d\d-\d{{3}}_{stem}_export\.tar\.gz)"; (.*)"""
    )
    named = re.fullmatch(expected, answer.headers["Content-Disposition"])
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/octet-stream")
    assert named is not None
    assert named[2] == f"filename*=UTF-8''{named[1]}"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert gzip.decompress(answer.body)[257:262] == b"ustar"


async def test_cases_23_24_what_is_not_there_is_not_downloaded(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    assert _of(await gitlab.get(f"/projects/{number}/export/download", by=ann)) == GONE
    await gitlab.held(number, ann, ExportOrder())
    assert _of(await gitlab.get(f"/projects/{number}/export/download", by=ann)) == GONE


async def test_case_25_the_storage_lost_the_file(gitlab: Instance, ann: str) -> None:
    number = await gitlab.imported(ann, LARGE)
    await gitlab.exported(number, by=ann)
    await gitlab.lose_objects("archive", number)
    answer = await gitlab.get(f"/projects/{number}/export/download", by=ann)
    assert _of(answer) == (404, {"message": "The project export file is not available yet"})


async def test_case_27_one_download_a_minute_and_project(gitlab: Instance, ann: str) -> None:
    own, other = [await gitlab.project(ann, path) for path in ("own", "other")]
    async with gitlab.settings(project_download_export_limit=1):
        statuses = [
            (await gitlab.get(f"/projects/{number}/export/download", by=ann)).status
            for number in (own, own, other, other)
        ]
    assert statuses == [404, 429, 404, 429]  # what is not there counts too


async def test_case_30_a_range_is_sent_alone(gitlab: Instance, ann: str, finished: Answer) -> None:
    # That GitLab's proxy serves ranges is an inference of the reference.
    path = f"/projects/{finished.body['id']}/export/download"
    whole = (await gitlab.get(path, by=ann)).body
    part = await gitlab.get(path, by=ann, headers={"Range": "bytes=0-9"})
    assert _of(part) == (206, whole[:10])
    assert part.headers["Content-Range"] == f"bytes 0-9/{len(whole)}"


async def test_case_100_a_local_address_is_refused_at_the_upload_only(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    data = {"upload[url]": "http://127.0.0.1:9/x"}
    async with gitlab.settings(allow_local_requests_from_web_hooks_and_services=False):
        assert _of(await gitlab.post(f"/projects/{number}/export", by=ann, data=data)) == ACCEPTED
        status = await gitlab.until(f"/projects/{number}/export", "export_status", by=ann)
    assert status.body["export_status"] == "finished"
