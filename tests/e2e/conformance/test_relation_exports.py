"""Cases 86 to 92: exports of single relations, GitLab's direct transfer."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.api import Answer
from tests.support.instance import Instance
from tests.support.projects import ndjson, project

LABELS = ndjson(b'{"title":"a"}', b'{"title":"b"}')


def _of(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.body


@pytest.fixture
async def number(gitlab: Instance, ann: str) -> AsyncIterator[int]:
    """A project with labels, on an instance that transfers."""
    async with gitlab.settings(bulk_import_enabled=True):
        yield await gitlab.imported(ann, project(labels=LABELS))


async def _start(gitlab: Instance, number: int, by: str, **form: str) -> None:
    answer = await gitlab.post(f"/projects/{number}/export_relations", by=by, data=form)
    assert _of(answer) == (202, {"message": "202 Accepted"})


async def _get(gitlab: Instance, number: int, what: str, *, by: str) -> Answer:
    return await gitlab.get(f"/projects/{number}/export_relations/{what}", by=by)


async def test_case_86_maintainers_ask_where_the_instance_transfers(
    gitlab: Instance, ann: str, number: int
) -> None:
    maintainer, developer = await gitlab.member(number, 40), await gitlab.member(number, 30)
    await _start(gitlab, number, maintainer)
    path = f"/projects/{number}/export_relations"
    assert _of(await gitlab.post(path, by=developer)) == (403, {"message": "403 Forbidden"})
    async with gitlab.settings(bulk_import_enabled=False):
        for method, more in (("POST", ""), ("GET", "/status"), ("GET", "/download?relation=labels")):
            answer = await gitlab.call(method, path + more, by=ann)
            assert _of(answer) == (404, {"message": "404 Not Found"})


async def test_case_87_all_relations_or_the_one_that_is_asked_for(
    gitlab: Instance, ann: str, number: int
) -> None:
    await _start(gitlab, number, ann)
    every = (await _get(gitlab, number, "status", by=ann)).body
    one = (await _get(gitlab, number, "status?relation=labels", by=ann)).body
    assert {"labels", "issues", "self", "uploads", "repository"} <= {each["relation"] for each in every}
    assert one in every
    assert (one["relation"], one["status"], one["error"], one["batched"]) == ("labels", 1, None, False)


async def test_case_88_another_maintainer_sees_nothing_of_it(gitlab: Instance, ann: str, number: int) -> None:
    await _start(gitlab, number, ann)
    other = await gitlab.member(number, 40)
    assert _of(await _get(gitlab, number, "status", by=other)) == (200, [])
    for what in ("status", "download"):
        answer = await _get(gitlab, number, f"{what}?relation=labels", by=other)
        assert _of(answer) == (404, {"message": "Export not found"})


async def test_case_89_a_relation_is_a_file(gitlab: Instance, ann: str, number: int) -> None:
    await _start(gitlab, number, ann)
    answer = await _get(gitlab, number, "download?relation=labels", by=ann)
    disposition = "attachment; filename=\"labels.ndjson.gz\"; filename*=UTF-8''labels.ndjson.gz"
    assert (answer.status, answer.headers["Content-Disposition"]) == (200, disposition)
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert gzip.decompress(answer.body) == LABELS


async def test_case_90_what_is_not_portable(gitlab: Instance, ann: str, number: int) -> None:
    await _start(gitlab, number, ann)
    answer = await _get(gitlab, number, "download?relation=project_members", by=ann)
    assert _of(answer) == (400, {"error": "relation is not portable"})


async def test_cases_91_92_batches_have_numbers(gitlab: Instance, ann: str, number: int) -> None:
    await _start(gitlab, number, ann, batched="true")
    answer = await _get(gitlab, number, "download?relation=labels", by=ann)
    assert _of(answer) == (400, {"message": "Export is batched"})
    batch = "download?relation=labels&batched=true&batch_number="
    assert _of(await _get(gitlab, number, f"{batch}0", by=ann)) == (404, {"message": "Batch not found"})
    assert gzip.decompress((await _get(gitlab, number, f"{batch}1", by=ann)).body) == LABELS
    await gitlab.lose_objects("pack", number)
    assert _of(await _get(gitlab, number, f"{batch}1", by=ann)) == (404, {"message": "Batch file not found"})
