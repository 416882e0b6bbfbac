from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.accounts.models import AccessLevel
from shared.broker.base import Message
from shared.gitlab.relation_selection import RelationSelection
from shared.gitlab.visibility import Visibility
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, JobKind, UploadOrder, UploadTarget
from shared.projects.models import Project
from shared.remote.part_addresses import PartAddresses
from tests.support.api import Api
from tests.support.sealing import opened

BELOW_MAINTAINER = (AccessLevel.DEVELOPER, AccessLevel.REPORTER, AccessLevel.GUEST)
ACCEPTED = {"message": "202 Accepted"}
NO_PROJECT = {"message": "404 Project Not Found"}
UNDERWAY = {
    "message": "An export is already running or queued for this project. Please try again once it's done."
}


async def _status(api: Api, project_id: int, *, by: str = "ann") -> tuple[str, bool]:
    answer = await api.get(f"/projects/{project_id}/export", by=by)
    assert answer.status == 200
    return answer.body["export_status"], "_links" in answer.body


async def test_status_is_queued_in_the_moment_of_the_202(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    await api.post(f"/projects/{project.id}/export", by="ann")

    assert await _status(api, project.id) == ("queued", False)


async def test_status_is_failed_when_the_newest_job_failed(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.failed(await api.job(project, ann), "no")

    assert await _status(api, project.id) == ("failed", False)


async def test_an_export_is_seen_by_its_user_only(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.member("bob", project, AccessLevel.MAINTAINER)
    await api.archive(project, ann)

    assert await _status(api, project.id, by="bob") == ("none", False)
    assert (await api.get(f"/projects/{project.id}/export/download", by="bob")).status == 404


async def test_a_stranger_may_not_export_a_public_project(api: Api) -> None:
    project = await api.project(await api.user("ann"), visibility=Visibility.PUBLIC)

    answer = await api.get(f"/projects/{project.id}/export")

    assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})


async def test_a_path_without_a_namespace_is_no_project(api: Api) -> None:
    await api.project(await api.user("ann"))

    answer = await api.get("/projects/project/export", by="ann")

    assert (answer.status, answer.body) == (404, NO_PROJECT)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"json": {}},
        {"data": b"", "headers": {"Content-Type": "application/json"}},
        {"json": {"upload": {}}},
        {"data": {"upload": ""}},
        {"data": {"upload[url]": ""}},
        {"data": {"upload[url]": " ", "upload[http_method]": "POST"}},
        {"json": {"upload": {"http_method": "PUT"}}},
    ],
)
async def test_post_without_content_queues_an_export(api: Api, body: dict[str, object]) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", **body)

    assert (answer.status, answer.body) == (202, ACCEPTED)
    assert opened(await api.newest(project, JobKind.EXPORT)) == ExportOrder()


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"description": "Foo"}},
        {"data": {"description": "Foo"}},
        {"params": {"description": "Foo"}},
        {"data": b'{"description":"Foo"}', "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ],
)
async def test_the_description_is_ordered_in_every_encoding(api: Api, body: dict[str, object]) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", **body)

    assert answer.status == 202
    assert opened(await api.newest(project, JobKind.EXPORT)) == ExportOrder(description="Foo")


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"relations": ["issues", "design", "issues"]}},
        {"data": [("relations[]", "issues"), ("relations[]", "design")]},
        {"params": [("relations[]", "design"), ("relations[]", "issues")]},
        {"data": {"relations": "issues, design_repository"}},
        {"json": {"relations": ["issues", "design"], "excluded_relations": ""}},
    ],
)
async def test_relations_are_ordered_in_every_encoding(api: Api, body: dict[str, object]) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", **body)

    assert answer.status == 202
    selection = RelationSelection(relations=("design_repository", "issues"))
    assert opened(await api.newest(project, JobKind.EXPORT)) == ExportOrder(selection=selection)


async def test_relations_that_are_excluded_are_ordered(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    await api.post(f"/projects/{project.id}/export", by="ann", json={"excluded_relations": ["uploads"]})

    selection = RelationSelection(excluded_relations=("uploads",))
    assert opened(await api.newest(project, JobKind.EXPORT)) == ExportOrder(selection=selection)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            {"relations": ["issues", "isues"]},
            "relations does not have a valid value: isues (possible are labels, ",
        ),
        (
            {"excluded_relations": "x" * 200},
            f"excluded_relations does not have a valid value: {'x' * 100} (pos",
        ),
        ({"relations": ["self"]}, "relations does not have a valid value: self ("),
        ({"relations": []}, "relations is empty"),
        ({"relations": {"issues": True}}, "relations is invalid"),
        ({"excluded_relations": [None]}, "excluded_relations is invalid"),
        (
            {"relations": ["issues"], "excluded_relations": ["labels"]},
            "relations, excluded_relations are mutually exclusive",
        ),
    ],
)
async def test_a_selection_that_cannot_be_meant_is_refused(
    api: Api, body: dict[str, object], problem: str
) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", json=body)

    assert answer.status == 400
    assert answer.body["error"].startswith(problem)


async def test_a_multipart_form_without_a_file_is_a_body_like_others(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    boundary = "b0undary"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="description"\r\n\r\nFoo\r\n--{boundary}--\r\n'
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    await api.post(f"/projects/{project.id}/export", by="ann", data=body.encode(), headers=headers)

    assert opened(await api.newest(project, JobKind.EXPORT)) == ExportOrder(description="Foo")


async def test_the_worker_is_told_of_the_job_after_the_commit(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    await api.post(f"/projects/{project.id}/export", by="ann", headers={"X-Request-Id": "cid-1"})

    job = await api.newest(project, JobKind.EXPORT)
    async with api.broker.consume("export", prefetch=1) as deliveries:
        delivery = await anext(deliveries)
    assert delivery.message == Message(
        str(job.id).encode(), message_id=f"job-{job.id}", correlation_id="cid-1"
    )


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("whatever", "Only allowed schemes are http, https"),
        ("ftp://host/x", "Only allowed schemes are http, https"),
        ("http://[::1/x", "URI is invalid"),
        ("http://-host/x", "Hostname or IP address invalid"),
    ],
)
async def test_a_bad_upload_address_is_refused_and_costs_the_earlier_archive(
    api: Api, url: str, problem: str
) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.archive(project, ann)

    answer = await api.post(f"/projects/{project.id}/export", by="ann", data={"upload[url]": url})

    assert (answer.status, answer.body) == (400, {"message": {"url": [f"is blocked: {problem}"]}})
    assert await _status(api, project.id) == ("none", False)


ADDRESS = "http://receiver.example.com/x?X-Amz-Signature=a%2Fb&n=1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOUNDED = {"Content-Type": "multipart/form-data; boundary=b0undary"}


def _multipart(**fields: str) -> bytes:
    parts = [
        f'--b0undary\r\nContent-Disposition: form-data; name="upload[{name}]"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return f"{''.join(parts)}--b0undary--\r\n".encode()


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"upload[url]": ADDRESS}},
        {"data": {"upload[http_method]": "PUT", "upload[url]": ADDRESS}},
        {"data": _multipart(http_method="PUT", url=ADDRESS), "headers": BOUNDED},
        {"json": {"upload": {"url": ADDRESS}}},
        {"json": {"upload[url]": ADDRESS}},
        {"data": f'{{"upload":{{"url":"{ADDRESS}"}}}}'.encode(), "headers": FORM},
    ],
)
async def test_an_upload_is_ordered_in_every_encoding_and_by_put_where_nothing_is_said(
    api: Api, body: dict[str, object]
) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", **body)

    assert (answer.status, answer.body) == (202, ACCEPTED)
    expected = UploadTarget(url=ADDRESS, method="PUT")
    assert opened(await api.newest(project, JobKind.EXPORT)) == ExportOrder(upload=expected)


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"upload": {"url": ADDRESS, "http_method": "POST"}}},
        {"json": {"upload[url]": ADDRESS, "upload[http_method]": "POST"}},
        {"data": {"upload[url]": ADDRESS, "upload[http_method]": "POST"}},
        {"data": _multipart(url=ADDRESS, http_method="POST"), "headers": BOUNDED},
    ],
)
async def test_an_upload_by_post_is_ordered_in_every_encoding(api: Api, body: dict[str, object]) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", **body)

    assert (answer.status, answer.body) == (202, ACCEPTED)
    expected = UploadTarget(url=ADDRESS, method="POST")
    assert opened(await api.newest(project, JobKind.EXPORT)) == ExportOrder(upload=expected)


PART = 5 * 2**20
PARTS: dict[str, Any] = {
    "part_size": PART,
    "part_urls": [f"{ADDRESS}&partNumber=1", f"{ADDRESS}&partNumber=2"],
    "complete_url": f"{ADDRESS}&complete",
}
FIELD = "upload[parts][part_urls]"
OVER = " with the other addresses, and at most 262144 are taken"
MORE = {"abort_url": f"{ADDRESS}&abort", "get_url": f"{ADDRESS}&get"}


@pytest.mark.parametrize("more", [{}, MORE])
@pytest.mark.parametrize("is_form", [False, True])
async def test_an_upload_in_parts_is_ordered_in_every_encoding(
    api: Api, more: dict[str, str], *, is_form: bool
) -> None:
    project = await api.project(await api.user("ann"))
    given = PARTS | more
    pairs = [(f"upload[parts][{name}]", str(value)) for name, value in given.items() if name != "part_urls"]
    urls = [("upload[parts][part_urls][]", url) for url in PARTS["part_urls"]]
    body: dict[str, Any] = {"data": pairs + urls} if is_form else {"json": {"upload": {"parts": given}}}

    answer = await api.post(f"/projects/{project.id}/export", by="ann", **body)

    assert (answer.status, answer.body) == (202, ACCEPTED)
    order = opened(await api.newest(project, JobKind.EXPORT))
    assert isinstance(order, ExportOrder)
    assert order.upload is not None
    assert order.upload.in_parts
    assert PartAddresses.read(order.upload.url) == PartAddresses(**given)


@pytest.mark.parametrize(
    ("upload", "problem"),
    [
        (
            {"parts": {"part_size": PART}},
            "upload[parts][part_urls] is missing, upload[parts][complete_url] is missing",
        ),
        ({"parts": [1]}, "upload[parts] is invalid"),
        ({"parts": PARTS | {"part_size": "x"}}, "upload[parts][part_size] is invalid"),
        ({"parts": PARTS | {"part_urls": "x"}}, "upload[parts][part_urls] is invalid"),
        ({"parts": PARTS | {"part_urls": [ADDRESS, {}]}}, "upload[parts][part_urls] is invalid"),
        ({"parts": PARTS, "url": ADDRESS}, "upload[url], upload[parts] are mutually exclusive"),
        *(
            (
                {"parts": PARTS | {"part_size": size}},
                "upload[parts][part_size] must be from 5242880 to 5368709120 bytes",
            )
            for size in (PART - 1, 5 * 2**30 + 1)
        ),
        *(
            (
                {"parts": PARTS | {"part_urls": urls}},
                f"{FIELD} must have from 1 to 10000 addresses",
            )
            for urls in ([], ["http://h/1"] * 10_001)
        ),
        (
            {"parts": PARTS | {"part_urls": ["http://h/" + "x" * 991] * 263}},
            f"{FIELD} has {263_000 + len(PARTS['complete_url'])} bytes{OVER}",
        ),
    ],
)
async def test_parts_of_an_upload_are_refused_by_the_name_of_the_field_and_its_limit(
    api: Api, upload: dict[str, object], problem: str
) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", json={"upload": upload})

    assert (answer.status, answer.body) == (400, {"error": problem})


@pytest.mark.parametrize("name", ["part_urls", "complete_url", "abort_url", "get_url"])
async def test_each_address_of_an_upload_in_parts_is_judged(api: Api, name: str) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.archive(project, ann)
    bad = "ftp://h/x"
    parts = PARTS | MORE | {name: [ADDRESS, bad] if name == "part_urls" else bad}

    answer = await api.post(f"/projects/{project.id}/export", by="ann", json={"upload": {"parts": parts}})

    problem = "is blocked: Only allowed schemes are http, https"
    assert (answer.status, answer.body) == (400, {"message": {name: [problem]}})
    assert await _status(api, project.id) == ("none", False)


async def test_the_addresses_of_parts_lie_sealed_in_the_row_of_the_job(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    await api.post(f"/projects/{project.id}/export", by="ann", json={"upload": {"parts": PARTS | MORE}})
    assert "Amz" not in await api.pool.fetchval("SELECT payload::text FROM jobs")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]/x"])
async def test_a_local_upload_address_is_accepted_as_only_the_upload_is_guarded(api: Api, url: str) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann", data={"upload[url]": url})

    assert (answer.status, answer.body) == (202, ACCEPTED)


async def test_an_export_tells_its_job_in_a_header(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    answer = await api.post(f"/projects/{project.id}/export", by="ann")

    job = await api.newest(project, JobKind.EXPORT)
    assert answer.headers["X-Crossdock-Job"] == str(job.id)


@pytest.mark.parametrize("is_started", [False, True], ids=["queued", "started"])
async def test_an_export_is_refused_while_one_of_the_same_user_is_under_way(
    api: Api, *, is_started: bool
) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    job = await api.job(project, ann)
    if is_started:
        await api.started(job)

    answer = await api.post(f"/projects/{project.id}/export", by="ann", json={"description": "another"})

    assert (answer.status, answer.body) == (400, UNDERWAY)
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 1


async def test_an_export_is_made_beside_that_of_another_user(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.member("bob", project, AccessLevel.MAINTAINER)
    await api.job(project, ann)

    assert (await api.post(f"/projects/{project.id}/export", by="bob")).status == 202


async def test_what_an_export_under_way_has_stored_outlives_a_refused_request(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.archive(project, ann)
    await api.started(await api.job(project, ann))

    answer = await api.post(f"/projects/{project.id}/export", by="ann")

    assert (answer.status, answer.body) == (400, UNDERWAY)
    assert (await api.get(f"/projects/{project.id}/export/download", by="ann")).status == 200


@pytest.mark.parametrize(
    ("api", "given", "status", "text"),
    [
        ({"project_export_limit": 1}, {}, 429, "too many times"),
        ({}, {"upload[url]": "whatever"}, 400, "is blocked"),
    ],
    ids=["rate", "address"],
    indirect=["api"],
)
async def test_other_refusals_come_before_that_of_an_export_under_way(
    api: Api, given: dict[str, str], status: int, text: str
) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.job(project, ann)
    for _ in range(2):
        answer = await api.post(f"/projects/{project.id}/export", by="ann", data=given)

    assert answer.status == status
    assert text in str(answer.body)


def test_the_address_of_an_upload_is_not_shown_with_its_order() -> None:
    order = ExportOrder(upload=UploadTarget(url=ADDRESS))
    assert "receiver" not in repr(order)


@pytest.mark.parametrize("api", [{"project_export_limit": 1}], indirect=True)
async def test_a_new_minute_has_a_new_limit(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    for expected in (202, 429):
        assert (await api.post(f"/projects/{project.id}/export", by="ann")).status == expected
    await api.pool.execute("UPDATE rate_limits SET window_end = now()")
    await api.pool.execute("DELETE FROM jobs")

    for expected in (202, 429):
        assert (await api.post(f"/projects/{project.id}/export", by="ann")).status == expected


async def test_of_exports_asked_for_at_once_one_is_made(api: Api) -> None:
    project = await api.project(await api.user("ann"))

    answers = await asyncio.gather(*(api.post(f"/projects/{project.id}/export", by="ann") for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [202] + [400] * 7
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 1


async def test_the_row_of_a_job_has_no_address(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    await api.post(f"/projects/{project.id}/export", by="ann", json={"upload": {"url": ADDRESS}})
    assert ADDRESS not in await api.pool.fetchval("SELECT payload::text FROM jobs")


async def _uploading(api: Api) -> tuple[Project, Job]:
    """A project of ann whose export has ended, and whose archive is being uploaded."""
    ann = await api.user("ann")
    made = await api.project(ann)
    await api.archive(made, ann)
    export = await api.newest(made, JobKind.EXPORT)
    upload = await jobs.enqueue(
        api.pool, UploadOrder(upload=UploadTarget(url=ADDRESS)), project_id=made.id, user_id=ann.id,
        correlation_id="c", parent_id=export.id,
    )  # fmt: skip
    return made, upload


@pytest.mark.parametrize("is_running", [False, True])
async def test_an_export_has_not_ended_to_gitlab_before_its_upload_has(api: Api, *, is_running: bool) -> None:
    made, upload = await _uploading(api)
    lease = await api.started(upload) if is_running else None

    status = await api.get(f"/projects/{made.id}/export", by="ann")
    assert status.body["export_status"] == "regeneration_in_progress"
    assert "_links" not in status.body
    second = await api.post(f"/projects/{made.id}/export", by="ann")
    assert second.status == 400
    assert (await api.get(f"/projects/{made.id}/export/download", by="ann")).status == 200

    await jobs.fail(api.pool, lease or await api.started(upload), error="no", code="remote_refused")
    status = await api.get(f"/projects/{made.id}/export", by="ann")
    assert status.body["export_status"] == "finished"
