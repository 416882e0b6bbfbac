from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.errors import RefusedByServer, UsageError
from services.cli.fleet.commands import select
from services.cli.fleet.selection import ProjectFinder, Selection, read_names
from tests.support.command import documented, run_beside
from tests.support.gitlab_stub import Script, answer

ADMIN = answer({"username": "root", "is_admin": True})
SOMEBODY = answer({"username": "ada"})


def project(number: int, path: str, changed: str = "2026-01-01T00:00:00.000Z") -> dict[str, object]:
    return {"id": number, "path_with_namespace": path, "last_activity_at": changed, "visibility": "private"}


async def found(script: Script, selection: Selection) -> list[str]:
    async with script.client() as client:
        return [each.path_with_namespace async for each in ProjectFinder(client).find(selection)]


async def test_pages_are_followed_by_their_links_and_only_on_this_server() -> None:
    link = (
        '<https://elsewhere.example/api/v4/projects?id_after=2&pagination=keyset&private_token=x>; rel="next"'
    )
    script = Script(
        ADMIN, answer([project(1, "a/b"), project(2, "a/c")], Link=link), answer([project(3, "d/e")])
    )
    assert await found(script, Selection()) == ["a/b", "a/c", "d/e"]
    assert "pagination=keyset" in script.asked[1].target
    assert "id_after=2" in script.asked[2].target
    assert script.asked[2].target.startswith("/api/v4/projects?")


async def test_an_administrator_exports_all_and_others_what_they_maintain() -> None:
    for user, is_bounded in ((ADMIN, False), (SOMEBODY, True)):
        script = Script(user, answer([]))
        assert await found(script, Selection()) == []
        assert ("membership=true" in script.asked[1].target) is is_bounded
        assert ("min_access_level=40" in script.asked[1].target) is is_bounded


async def test_a_project_that_is_not_there_is_named() -> None:
    script = Script(answer(project(1, "a/b")), answer({"message": "404 Project Not Found"}, 404))
    with pytest.raises(RefusedByServer, match="404 Project Not Found: 'a/nope', and nothing was done"):
        await found(script, Selection(names=("a/b", "a/nope", "a/c")))


async def test_a_group_is_listed_with_all_below_it_and_nothing_that_is_shared_with_it() -> None:
    script = Script(answer([project(1, "a/b/c")]))
    assert await found(script, Selection(group="a/b")) == ["a/b/c"]
    target = script.asked[0].target
    assert target.startswith("/api/v4/groups/a%2Fb/projects?")
    assert "include_subgroups=true" in target
    assert "with_shared=false" in target


async def test_patterns_are_of_the_full_path_and_a_star_takes_slashes() -> None:
    script = Script(answer([project(1, "a/x/api"), project(2, "a/web"), project(3, "a/api")]))
    assert await found(script, Selection(group="a", match=("a/*/api", "*web"))) == ["a/x/api", "a/web"]


async def test_what_has_not_changed_since_is_left_out_whatever_the_server_filters() -> None:
    old, new = project(1, "a/old"), project(2, "a/new", "2026-06-01T00:00:00.000Z")
    unknown = {"id": 3, "path_with_namespace": "a/unknown"}
    since = datetime(2026, 3, 1, tzinfo=UTC)
    script = Script(answer([old, new, unknown]))
    assert await found(script, Selection(group="a", changed_since=since)) == ["a/new", "a/unknown"]
    script = Script(ADMIN, answer([]))
    await found(script, Selection(changed_since=since))
    assert "last_activity_after=2026-03-01T00:00:00%2B00:00" in script.asked[1].target


async def test_a_project_that_is_named_twice_is_given_once() -> None:
    script = Script(answer(project(7, "a/b")), answer(project(7, "a/b")))
    assert await found(script, Selection(names=("a/b", "7"))) == ["a/b"]
    assert [each.target for each in script.asked] == ["/api/v4/projects/a%2Fb", "/api/v4/projects/7"]


@pytest.mark.parametrize(
    "given",
    [
        {"names": ["a"], "group": "b"},
        {"names": ["a"], "file": Path("x")},
        {"group": "b", "file": Path("x")},
        {"everything": False},
    ],
)
def test_one_way_to_select_has_to_be_given(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--group, --from and --all"):
        select(**given)  # type: ignore[arg-type]  # of several types


def test_names_come_from_a_file_with_comments(tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.write_text("# ours\na/b  # the first\n\n7\n")
    assert read_names(file) == ["a/b", "7"]
    file.write_text("# none\n")
    with pytest.raises(UsageError, match="names no project"):
        read_names(file)
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot read"):
        read_names(file)


async def test_projects_are_listed_as_a_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer([project(1, "a/b")]))
    code, document = await documented(script, monkeypatch, capsys, "projects", "--group", "a")
    assert code == 0
    assert document == {
        "projects": [
            {"id": 1, "path_with_namespace": "a/b", "last_activity_at": "2026-01-01T00:00:00Z",
             "archived": False, "visibility": "private"}
        ]
    }  # fmt: skip


async def test_people_see_when_a_project_changed_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Script(answer([project(1, "a/b")])).server() as url:
        await run_beside(monkeypatch, "projects", "--group", "a", "--url", url, "--token", "t")
    assert capsys.readouterr().out.splitlines()[1] == "1  a/b  2026-01-01 00:00:00Z  private"


async def test_projects_are_listed_as_csv(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Script(answer([project(1, "a/b")])).server() as url:
        arguments = ("projects", "--group", "a", "--csv", "--url", url, "--token", "t")
        assert await run_beside(monkeypatch, *arguments) == 0
        assert await run_beside(monkeypatch, *arguments, "--json") == 2
    told = capsys.readouterr()
    assert told.out == (
        "id,path_with_namespace,last_activity_at,archived,visibility\n1,a/b,2026-01-01T00:00:00Z,false,private\n"
    )
    assert json.dumps("--csv and --json exclude each other")[1:-1] in told.err
