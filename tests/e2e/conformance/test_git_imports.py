"""Cases 83 and 84: a project without content is filled with the repository of a git server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shared.jobs.models import ImportOrder
from tests.support.api import Answer
from tests.support.forms import Part
from tests.support.git import make_repository
from tests.support.git_http import GitHttp
from tests.support.instance import Instance
from tests.support.remote import Servers
from tests.support.samples.table import archive
from tests.support.tls_front import server_context


@pytest.fixture
async def address(keys: tuple[Path, Path], tmp_path: Path) -> AsyncIterator[str]:
    """Where a repository is."""
    make_repository(tmp_path)
    async with AsyncExitStack() as stack:
        served = GitHttp(tmp_path).handle
        port = await Servers(stack).http(served, host="127.0.0.1", tls=server_context(keys))
        yield f"https://localhost:{port}/one.git"


async def fill(gitlab: Instance, number: int, url: str, *, by: str) -> Answer:
    return await gitlab.post(f"/projects/{number}/import/git", by=by, json={"import_url": url})


async def test_case_83_a_failed_import_is_followed_by_one_from_git(
    gitlab: Instance, ann: str, address: str
) -> None:
    broken = Part("file", archive("truncated").read_bytes(), "x.tar.gz")
    number = (await gitlab.upload(Part("path", "p"), by=ann, file=broken)).body["id"]
    assert (await gitlab.import_ended(number))["import_status"] == "failed"
    answer = await fill(gitlab, number, address, by=ann)
    assert (answer.status, answer.body["import_status"]) == (201, "scheduled")
    assert answer.body["import_type"] == "git"
    assert (await gitlab.import_ended(number))["import_status"] == "finished"
    assert (await gitlab.get(f"/projects/{number}", by=ann)).body["empty_repo"] is False


async def test_case_84_an_import_is_running(gitlab: Instance, ann: str, address: str) -> None:
    number = await gitlab.project(ann)
    await gitlab.held(number, ann, ImportOrder())
    answer = await fill(gitlab, number, address, by=ann)
    assert (answer.status, answer.body) == (409, {"message": "Import already in progress"})


async def test_case_84_there_is_a_repository(gitlab: Instance, ann: str, address: str) -> None:
    number = await gitlab.project(ann)
    assert (await fill(gitlab, number, address, by=ann)).status == 201
    assert (await gitlab.import_ended(number))["import_status"] == "finished"
    answer = await fill(gitlab, number, address, by=ann)
    assert (answer.status, answer.body) == (409, {"message": "Project already has a repository"})


async def test_case_84_the_address_is_none(gitlab: Instance, ann: str) -> None:
    answer = await fill(gitlab, await gitlab.project(ann), "ftp://nowhere.test/x.git", by=ann)
    assert answer.status == 422
    assert answer.body["message"] == "Import url is blocked: Only allowed schemes are https"
