from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from services.cli import push as pushing
from services.cli import small_files
from services.cli.errors import CommandError, RefusedByServer, UsageError
from services.cli.push import PushOptions, push
from services.cli.small_files import SMALL
from services.cli.snapshots import connect
from services.cli.tree import TreeFile, address_of, tree_files
from tests.support.gitlab_stub import Asked, Script, answer
from tests.support.projects import files

ABOVE = "/api/crossdock/v1/projects/group%2Fproject/snapshots"
OPENED = answer({"id": 7, "state": "open", "entries": 0, "bytes": 0}, 201)
COMMITTED = answer({"id": 7, "state": "committed", "entries": 1, "bytes": 2})
SENT = answer({"name": "tree/project.json"})
TAKEN = answer({"entries": 3, "bytes": 4, "failed_lines": 0, "failures": []})
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


def _fill(tree: Path, number: int) -> None:
    (tree / "uploads").mkdir()
    for each in range(number):
        (tree / "uploads" / f"{each:04}").write_bytes(b"%d" % each * (each % 9))


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
    for name in ("._VERSION", "tree/._project.json", "tree/._tree"):
        (tree / name).write_bytes(b"\0\5\26\7")
    (tree / "._tree").write_bytes(b"no double")
    (tree / "tree" / "._.").write_bytes(b"\0\5\x16\7of the folder that it is in")
    (tree / "__MACOSX").mkdir()
    (tree / "__MACOSX" / "._VERSION").write_bytes(b"\0\5\x16\7as zip leaves it")
    (tree / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tree / "uploads").mkdir()
    (tree / "uploads" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tree / "tree" / ".DS_Store").write_text("a letter")
    assert [(file.name, file.size) for file in tree_files(tree)] == [
        ("._tree", 9), ("VERSION", 5), ("tree/.DS_Store", 8), ("tree/._tree", 4), ("tree/project.json", 2),
        ("uploads/.DS_Store", 8),
    ]  # fmt: skip


def test_a_link_in_a_tree_is_refused(tree: Path) -> None:
    (tree / "link").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="link is neither a file nor a folder"):
        tree_files(tree)


async def test_a_tree_is_sent_and_committed(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Script(OPENED, SENT, COMMITTED)
    assert await _push(script, tree) == [("POST", ""), ("PUT", "/7/project"), ("POST", "/7/commit")]
    assert (script.asked[1].body, script.asked[1].headers["Content-Length"]) == (b"{}", "2")
    assert capsys.readouterr().out == "snapshot 7: committed, 1 entry\n"


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


async def test_a_thousand_small_files_are_a_handful_of_requests(tree: Path) -> None:
    _fill(tree, 1000)
    script = Script(OPENED, TAKEN, SENT, COMMITTED)
    assert await _push(script, tree) == [
        ("POST", ""), ("PUT", "/7/entries"), ("PUT", "/7/files/uploads%2F0999"), ("POST", "/7/commit"),
    ]  # fmt: skip
    sent = files(script.asked[1].body)
    assert sent == {file.name: file.path.read_bytes() for file in tree_files(tree)[:1000]}


async def test_a_large_file_is_sent_alone(tree: Path) -> None:
    _fill(tree, 2)
    (tree / "project.bundle").write_bytes(bytes(SMALL + 1))
    script = Script(OPENED, SENT, TAKEN, COMMITTED)
    assert await _push(script, tree) == [
        ("POST", ""), ("PUT", "/7/repository"), ("PUT", "/7/entries"), ("POST", "/7/commit"),
    ]  # fmt: skip
    assert files(script.asked[2].body).keys() == {"tree/project.json", "uploads/0000", "uploads/0001"}


@pytest.mark.parametrize("status", [404, 405])
async def test_an_older_server_is_asked_once_and_then_gets_every_file(
    tree: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_files, "MOST_FILES", 2)
    _fill(tree, 3)
    script = Script(OPENED, answer(status=status), *[SENT] * 4, COMMITTED)
    assert await _push(script, tree) == [
        ("POST", ""), ("PUT", "/7/entries"), ("PUT", "/7/project"),
        *[("PUT", f"/7/files/uploads%2F{number:04}") for number in range(3)], ("POST", "/7/commit"),
    ]  # fmt: skip


@pytest.mark.parametrize("status", [413, 422])
async def test_of_an_archive_that_is_refused_every_file_is_sent_and_the_one_at_fault_named(
    tree: Path, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(small_files, "MOST_FILES", 2)
    _fill(tree, 3)
    refused = answer({"title": "x", "detail": "too many"}, status)
    script = Script(OPENED, refused, SENT, SENT, TAKEN, COMMITTED)
    asked = await _push(script, tree)
    assert asked[1:-1] == [
        ("PUT", "/7/entries"), ("PUT", "/7/project"), ("PUT", "/7/files/uploads%2F0000"),
        ("PUT", "/7/entries"),
    ]  # fmt: skip
    said = capsys.readouterr().err
    assert "Sending 2 files one by one: the server refused: too many" in said
    assert f"Sending: {sum(file.size for file in tree_files(tree))} bytes, " in said

    script = Script(OPENED, refused, SENT, answer({"title": "x", "detail": "uploads/0000"}, 422), GONE)
    with pytest.raises(RefusedByServer, match=r"the server refused: uploads/0000 \(HTTP 422\)"):
        await _push(script, tree)


async def test_an_archive_is_sent_whole_again_after_a_fault_that_passes(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _fill(tree, 20)
    script = Script(OPENED, answer(status=503), TAKEN, COMMITTED)
    asked = await _push(script, tree)
    assert asked[1:3] == [("PUT", "/7/entries")] * 2
    first, second = (files(each.body) for each in script.asked[1:3])
    assert first == second
    assert len(second) == 21
    assert f"Sending: {sum(map(len, second.values()))} bytes, " in capsys.readouterr().err


async def test_an_archive_that_is_refused_for_good_is_an_error(tree: Path) -> None:
    _fill(tree, 2)
    script = Script(OPENED, answer({"title": "x", "detail": "is committed"}, 409), GONE)
    with pytest.raises(RefusedByServer, match="is committed"):
        await _push(script, tree)
    assert [_asked(each) for each in script.asked[1:]] == [("PUT", "/7/entries"), ("DELETE", "/7")]


async def test_lines_left_out_of_an_archive_are_told_with_their_relation(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _fill(tree, 2)
    line = {"line_number": 3, "exception_class": "E", "exception_message": "bad"}
    left_out = {"failed_lines": 2, "failures": [{"relation": name, **line} for name in ("issues", "labels")]}
    await _push(Script(OPENED, answer(left_out), COMMITTED), tree)
    said = capsys.readouterr().err
    assert "issues  4  E  bad" in said
    assert "labels  4  E  bad" in said
    assert "2 lines are left out" in said


async def test_a_file_that_is_gone_or_has_grown_is_named_and_tried_once(tree: Path) -> None:
    grown, gone = tree / "grown", tree / "gone"
    grown.write_bytes(bytes(SMALL + 1))
    known = TreeFile("tree/project.json", tree / "tree" / "project.json", 2)
    for path, kind in ((gone, FileNotFoundError), (grown, UsageError)):
        script = Script()
        async with script.server() as url, connect(url, "secret", "group/project") as client:
            with pytest.raises((OSError, CommandError), match=str(path)) as raised:
                await client.put_together(7, [known, TreeFile(path.name, path, 1)], lambda _: None)
        assert raised.type is kind
        assert script.asked == []
