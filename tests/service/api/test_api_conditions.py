from __future__ import annotations

import re
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from shared.accounts.models import User
from tests.support.api import Api


@pytest.mark.usefixtures("ann")
async def test_a_good_answer_has_a_weak_tag_and_is_not_sent_twice(api: Api) -> None:
    first = await api.get("/user", by="ann")
    tag = first.headers["ETag"]
    again = await api.get("/user", by="ann", headers={"If-None-Match": tag})
    other = await api.get("/user", by="ann", headers={"If-None-Match": '"other"'})

    assert re.fullmatch(r'W/"[0-9a-f]{32}"', tag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert (other.status, other.headers["Vary"]) == (200, "Origin")


@pytest.mark.usefixtures("ann")
async def test_an_error_has_no_tag(api: Api) -> None:
    answer = await api.get("/projects/4711", by="ann", headers={"If-None-Match": "*"})

    assert (answer.status, answer.headers.get("ETag")) == (404, None)


async def test_only_reading_is_answered_by_not_modified(api: Api, ann: User) -> None:
    project = await api.project(ann)

    answer = await api.post(f"/projects/{project.id}/archive", by="ann", headers={"If-None-Match": "*"})

    assert answer.status == 201


@pytest.mark.parametrize(
    ("name", "later", "status"),
    [
        ("If-Modified-Since", 0, 304),
        ("If-Modified-Since", -1, 200),
        ("If-Unmodified-Since", 0, 200),
        ("If-Unmodified-Since", -1, 412),
    ],
)
async def test_a_download_keeps_conditions_of_time(
    api: Api, ann: User, name: str, later: int, status: int
) -> None:
    project = await api.project(ann)
    await api.archive(project, ann)
    path = f"/api/v4/projects/{project.id}/export/download"
    head = await api.call("HEAD", path, by="ann")
    moment = parsedate_to_datetime(head.headers["Last-Modified"]) + timedelta(seconds=later)

    answer = await api.call("GET", path, by="ann", headers={name: format_datetime(moment, usegmt=True)})

    assert answer.status == status


@pytest.mark.parametrize(("tag", "status"), [("*", 200), ('"other"', 412)])
async def test_a_download_that_must_match_another_tag_is_refused(
    api: Api, ann: User, tag: str, status: int
) -> None:
    project = await api.project(ann)
    await api.archive(project, ann)

    answer = await api.get(f"/projects/{project.id}/export/download", by="ann", headers={"If-Match": tag})

    assert answer.status == status


@pytest.mark.parametrize("date", ["soon", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
async def test_a_date_that_is_none_is_no_condition(api: Api, ann: User, date: str) -> None:
    project = await api.project(ann)
    await api.archive(project, ann)

    answer = await api.get(
        f"/projects/{project.id}/export/download", by="ann", headers={"If-Modified-Since": date}
    )

    assert answer.status == 200
