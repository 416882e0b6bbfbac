"""@gitbeaker/rest, which most that is written in JavaScript for GitLab's API builds on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.background import Background, background
from tests.support.contents import assert_round_trip, contents
from tests.support.gitbeaker import Gitbeaker, Node, blob
from tests.support.imported import bundle_of
from tests.support.projects import files, ndjson, project
from tests.support.receivers import receiving
from tests.support.system import System

DEVELOPER = 30
COMMIT = "1f" * 20


@pytest.fixture
def loop() -> Iterator[Background]:
    """Where servers answer while the client is waited for."""
    with background() as started:
        yield started


def _got(system: System, number: int) -> bytes:
    """The download as nothing but a GET gives it."""
    address = f"{system.url}/api/v4/projects/{number}/export/download"
    answer = requests.get(address, headers={"PRIVATE-TOKEN": system.token}, timeout=60)
    assert answer.status_code == 200
    return answer.content


def test_a_blob_is_imported_with_the_path_behind_it(
    gitbeaker: Gitbeaker, name: str, small_archive: Path
) -> None:
    number = gitbeaker.schedule(small_archive, name)
    by_id = gitbeaker.ended(number)
    assert (by_id["import_error"], by_id["failed_relations"]) == (None, [])
    assert by_id == gitbeaker("ProjectImportExports.showImportStatus", f"root/{name}")
    assert by_id["path_with_namespace"] == f"root/{name}"


def test_a_project_goes_out_as_it_came_in_and_in_again(
    gitbeaker: Gitbeaker, name: str, small_archive: Path, tmp_path: Path
) -> None:
    number = gitbeaker.imported(small_archive, name)
    gitbeaker.exported(number)
    first = gitbeaker.downloaded(number, tmp_path / "first.tar.gz")
    assert_round_trip(contents(small_archive), contents(first))
    again = gitbeaker.imported(first, f"{name}-again")
    gitbeaker.exported(again)
    second = gitbeaker.downloaded(again, tmp_path / "second.tar.gz")
    assert contents(second) == contents(first)


def test_overrides_in_camel_case_are_ignored_where_name_and_namespace_count(
    gitbeaker: Gitbeaker, name: str, small_archive: Path
) -> None:
    group = gitbeaker("Groups.create", f"g {name}", f"g-{name}", {"visibility": "internal"})
    assert (group["full_path"], group["visibility"]) == (f"g-{name}", "internal")
    # It arrives as the text "[object Object]".
    overrides = {"description": "overridden", "visibility": "internal"}
    options = {"name": "Another Name", "namespace": group["full_path"], "overrideParams": overrides}
    found = gitbeaker("Projects.show", gitbeaker.imported(small_archive, name, **options))
    assert (found["name"], found["path_with_namespace"]) == ("Another Name", f"g-{name}/{name}")
    assert (found["description"], found["visibility"]) == ("large", "private")
    assert gitbeaker("Projects.show", f"g-{name}/{name}")["id"] == found["id"]


def test_a_path_that_is_taken_is_refused_unless_it_is_to_be_overwritten(
    gitbeaker: Gitbeaker, name: str, small_archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.tar.gz").write_bytes(project())
    old = gitbeaker.imported(small_archive, name)
    file = {"content": blob(tmp_path / "new.tar.gz"), "filename": "new.tar.gz"}
    refused = gitbeaker.refused("ProjectImportExports.import", file, name)
    assert refused == (400, "Path has already been taken")
    new = gitbeaker.imported(tmp_path / "new.tar.gz", name, overwrite=True)
    assert new != old
    assert gitbeaker("Projects.show", f"root/{name}")["id"] == new


@pytest.mark.parametrize("words", [(), ({},)], ids=["nothing", "an empty upload"])
def test_an_export_without_an_upload_is_followed_from_none_to_its_end(
    gitbeaker: Gitbeaker, system: System, name: str, small_archive: Path, words: tuple[object, ...]
) -> None:
    number = gitbeaker.imported(small_archive, name)
    before = gitbeaker("ProjectImportExports.showExportStatus", number)
    assert (before["export_status"], "_links" in before) == ("none", False)
    links = gitbeaker.exported(number, *words)["_links"]
    assert links["api_url"] == f"{system.url}/api/v4/projects/{number}/export/download"


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_an_upload_gets_what_is_downloaded_with_the_description(
    gitbeaker: Gitbeaker, loop: Background, name: str, small_archive: Path, tmp_path: Path, method: str
) -> None:
    number = gitbeaker.imported(small_archive, name)
    with loop.opened(receiving()) as receiver:
        upload = {"url": f"{receiver.url}/up?to=here", "http_method": method}
        gitbeaker.exported(number, upload, {"description": "as exported"})
    (taken,) = receiver.taken
    file = gitbeaker.downloaded(number, tmp_path / "out.tar.gz")
    assert (taken.method, taken.target, taken.body) == (method, "/up?to=here", file.read_bytes())
    assert json.loads(files(taken.body)["tree/project.json"])["description"] == "as exported"


def test_a_download_as_a_blob_and_as_a_stream_are_what_a_get_gives(
    gitbeaker: Gitbeaker, system: System, name: str, small_archive: Path, tmp_path: Path
) -> None:
    number = gitbeaker.imported(small_archive, name)
    gitbeaker.exported(number)
    whole, streamed = gitbeaker.downloaded(number, tmp_path / "whole"), tmp_path / "streamed"
    download = ("ProjectImportExports.download", number, {"asStream": True})
    assert gitbeaker(*download, into=streamed) == "ReadableStream"
    assert whole.read_bytes() == streamed.read_bytes() == _got(system, number)


def test_what_is_not_there_is_shown_with_its_reason(gitbeaker: Gitbeaker, name: str) -> None:
    unknown = (404, "404 Project Not Found")
    for method in ("showImportStatus", "showExportStatus", "scheduleExport", "download"):
        assert gitbeaker.refused(f"ProjectImportExports.{method}", f"root/{name}") == unknown
    assert gitbeaker.refused("Projects.show", f"root/{name}") == unknown
    assert gitbeaker.refused("Groups.show", name) == (404, "404 Group Not Found")
    number = gitbeaker("Projects.create", {"name": name})["id"]
    never = gitbeaker.refused("ProjectImportExports.download", number)
    assert never == (404, "404 Not found or has expired")


def test_a_file_that_cannot_be_imported_is_shown_with_its_reason(
    gitbeaker: Gitbeaker, name: str, small_archive: Path
) -> None:
    def refused(filename: str, **options: str) -> tuple[int, str]:
        file = {"content": blob(small_archive), "filename": filename}
        return gitbeaker.refused("ProjectImportExports.import", file, name, options)

    assert refused("a.tar.gz", namespace=f"no-{name}") == (404, "404 Namespace Not Found")
    status, description = refused("README.md")
    error = "You need to upload a GitLab project export archive (ending in .gz)."
    # What is no text it shows as JSON.
    assert (status, json.loads(description)) == (422, {"error": error})


def test_a_wrong_token_is_shown_as_such(node: Node, system: System, name: str, small_archive: Path) -> None:
    stranger = Gitbeaker(node, {"host": system.url, "token": "glpat-wrong"})
    file = {"content": blob(small_archive), "filename": "a.tar.gz"}
    assert stranger.refused("Users.showCurrentUser") == (401, "401 Unauthorized")
    assert stranger.refused("ProjectImportExports.import", file, name) == (401, "401 Unauthorized")


def test_who_may_not_export_is_told_so(gitbeaker: Gitbeaker, node: Node, system: System, name: str) -> None:
    number = gitbeaker("Projects.create", {"name": name})["id"]
    user, developer = _developer(gitbeaker, node, system, name)
    assert developer.refused("Projects.show", number) == (404, "404 Project Not Found")
    gitbeaker("ProjectMembers.add", number, DEVELOPER, {"userId": user["id"]})
    assert developer("Projects.show", number)["id"] == number
    for method in ("scheduleExport", "showExportStatus", "download"):
        refused = developer.refused(f"ProjectImportExports.{method}", number)
        assert refused == (403, "403 Forbidden")


def _developer(gitbeaker: Gitbeaker, node: Node, system: System, name: str) -> tuple[Any, Gitbeaker]:
    """A new user, and the client as that user."""
    about = {"username": f"u-{name}", "name": name, "email": f"{name}@example.org"}
    user = gitbeaker("Users.create", about | {"forceRandomPassword": True})
    token = gitbeaker("Users.createPersonalAccessToken", user["id"], "t", ["api"])["token"]
    return user, Gitbeaker(node, {"host": system.url, "token": token})


def test_the_current_user_is_whom_the_client_speaks_for(
    gitbeaker: Gitbeaker, node: Node, system: System, name: str
) -> None:
    user, developer = _developer(gitbeaker, node, system, name)
    bearer = Gitbeaker(node, {"host": system.url, "oauthToken": system.token})
    assert bearer("Users.showCurrentUser")["username"] == "root"
    assert developer("Users.showCurrentUser")["username"] == user["username"]
    assert gitbeaker("Users.showCurrentUser", {"sudo": user["username"]})["id"] == user["id"]


def test_a_list_of_many_pages_has_every_project_once(gitbeaker: Gitbeaker, name: str) -> None:
    made = [gitbeaker("Projects.create", {"name": f"{name}-{n}"})["id"] for n in range(5)]
    wanted = {"search": name, "perPage": 2}

    def ids(**options: object) -> list[int]:
        return [found["id"] for found in gitbeaker("Projects.all", {**wanted, **options})]

    assert sorted(ids(membership=True, simple=True)) == made
    assert ids(pagination="keyset", orderBy="id", sort="asc") == made
    assert (ids(orderBy="id", page=2), ids(maxPages=1, orderBy="id")) == (made[2:0:-1], made[:2:-1])
    assert ids(page=4) == []


@pytest.fixture
def listed(gitbeaker: Gitbeaker, name: str, tmp_path: Path) -> int:
    """A project with five issues, three branches and a tag."""
    issues = ndjson(*(json.dumps({"iid": n, "title": f"issue {n}"}).encode() for n in range(1, 6)))
    heads = {f"refs__heads__{branch}": COMMIT for branch in ("main", "one", "two")}
    bundle = bundle_of(**heads, refs__tags__v1=COMMIT, HEAD=COMMIT)
    (tmp_path / "listed.tar.gz").write_bytes(project(("project.bundle", bundle), issues=issues))
    return gitbeaker.imported(tmp_path / "listed.tar.gz", name)


def test_a_page_of_issues_tells_how_many_there_are(gitbeaker: Gitbeaker, listed: int) -> None:
    def issues(**options: object) -> Any:
        wanted = {"projectId": listed, "perPage": 2, "orderBy": "created_at", "showExpanded": True}
        return gitbeaker("Issues.all", {**wanted, **options})

    page = issues(page=2)
    assert len(page["data"]) == 2
    told = {"total": 5, "totalPages": 3, "perPage": 2}
    assert page["paginationInfo"] == told | {"current": 2, "next": 3, "previous": 1}
    every = issues()
    assert sorted(issue["iid"] for issue in every["data"]) == [1, 2, 3, 4, 5]
    assert every["paginationInfo"] == told | {"current": 3, "next": None, "previous": 2}


def test_branches_and_tags_are_those_of_the_repository(gitbeaker: Gitbeaker, listed: int) -> None:
    branches = gitbeaker("Branches.all", listed, {"perPage": 2})
    assert [branch["name"] for branch in branches] == ["main", "one", "two"]
    assert {branch["commit"]["id"] for branch in branches} == {COMMIT}
    (tag,) = gitbeaker("Tags.all", listed)
    assert (tag["name"], tag["target"]) == ("v1", COMMIT)
