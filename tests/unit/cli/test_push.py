from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from services.cli import push as pushing
from services.cli.errors import RefusedByServer, UsageError
from services.cli.push import PushOptions, push
from services.cli.snapshots import connect
from services.cli.tree import address_of, tree_files
from tests.support.gitlab_stub import Asked, Script, answer

ABOVE = "/api/crossdock/v1/projects/group%2Fproject/snapshots"
OPENED = answer({"id": 7, "state": "open", "entries": 0, "bytes": 0}, 201)
COMMITTED = answer({"id": 7, "state": "committed", "entries": 1, "bytes": 2})
SENT = answer({"name": "tree/project.json"})
GONE = answer(status=204)
ONE_BY_ONE = PushOptions(parallel=1)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "project").mkdir(parents=True)
    (tmp_path / "tree" / "project.json").write_text("{}")
    return tmp_path


async def _push(script: Script, tree: Path, how: PushOptions = ONE_BY_ONE) -> list[tuple[str, str]]:
    async with script.server() as url, connect(url, "secret", "group/project") as client:
        (await push(client, tree, how)).show()
    return [_asked(each) for each in script.asked]


def _asked(asked: Asked) -> tuple[str, str]:
    return asked.method, asked.target.removeprefix(ABOVE)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("tree/project.json", "project"),
        ("tree/project/issues.ndjson", "relations/issues"),
        ("tree/project/a b.ndjson", "relations/a%20b"),
        ("project.wiki.bundle", "wiki"),
        ("lfs-objects.json", "lfs"),
        ("uploads/secret/a/b?.png", "files/uploads%2Fsecret%2Fa%2Fb%3F.png"),
        ("VERSION", "files/VERSION"),
    ],
)
def test_every_file_of_a_tree_has_its_address(name: str, address: str) -> None:
    assert address_of(name) == address


def test_the_files_of_a_tree_are_listed_without_what_macos_leaves_behind(tree: Path) -> None:
    (tree / "VERSION").write_text("0.2.4")
    for name in ("._VERSION", ".DS_Store", "tree/._project.json"):
        (tree / name).write_text("x")
    (tree / "__MACOSX").mkdir()
    (tree / "__MACOSX" / "x").write_text("x")
    assert [(file.name, file.size) for file in tree_files(tree)] == [("VERSION", 5), ("tree/project.json", 2)]


def test_a_link_in_a_tree_is_refused(tree: Path) -> None:
    (tree / "link").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="link is neither a file nor a folder"):
        tree_files(tree)


async def test_a_tree_is_sent_and_committed(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Script(OPENED, SENT, COMMITTED)
    assert await _push(script, tree) == [("POST", ""), ("PUT", "/7/project"), ("POST", "/7/commit")]
    assert (script.asked[1].body, script.asked[1].headers["Content-Length"]) == (b"{}", "2")
    assert capsys.readouterr().out == "snapshot 7: committed, 1 entries\n"


async def test_a_fault_that_passes_is_tried_again(tree: Path) -> None:
    script = Script(OPENED, answer(status=503), SENT, answer(status=502), COMMITTED)
    asked = await _push(script, tree)
    assert asked == [
        ("POST", ""), ("PUT", "/7/project"), ("PUT", "/7/project"), ("POST", "/7/commit"),
        ("POST", "/7/commit"),
    ]  # fmt: skip
    assert script.asked[2].body == b"{}"


async def test_what_was_sent_is_thrown_away_where_a_file_is_refused(tree: Path) -> None:
    script = Script(OPENED, answer({"title": "x", "detail": "no bundle"}, 422), GONE)
    with pytest.raises(RefusedByServer, match=r"the server refused: no bundle \(HTTP 422\)"):
        await _push(script, tree)
    assert _asked(script.asked[-1]) == ("DELETE", "/7")


async def test_from_current_sends_what_differs_and_removes_what_is_gone(tree: Path) -> None:
    (tree / "VERSION").write_text("0.2.4")
    there = [
        {"name": "tree/", "kind": "directory"},
        {"name": "tree/project.json", "kind": "blob", "sha256": "00"},
        {"name": "tree/project/labels.ndjson", "kind": "relation", "sha256": "00"},
        {"name": "VERSION", "kind": "blob", "sha256": hashlib.sha256(b"0.2.4").hexdigest()},
    ]
    script = Script(OPENED, answer(there), answer(status=404), SENT, COMMITTED)
    assert await _push(script, tree, PushOptions(from_current=True, parallel=1)) == [
        ("POST", ""), ("GET", "/7/entries"), ("DELETE", "/7/relations/labels"), ("PUT", "/7/project"),
        ("POST", "/7/commit"),
    ]  # fmt: skip


def test_what_is_sent_again_is_not_counted_twice() -> None:
    told: list[tuple[int, int | None]] = []
    count = pushing._Counter(lambda done, total: told.append((done, total)), 10)
    for size in (6, -6, 6, 4):
        count(size)
    assert told == [(6, 10), (0, 10), (6, 10), (10, 10)]
