from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web

from shared.people.reading import LARGEST
from tests.support.command import documented, run, run_beside
from tests.support.gitlab_stub import Script, answer, imported

JANE = {
    "id": 7, "username": "jane", "name": None, "public_email": None, "records": {"issues": 2, "notes": 1},
    "mapped_to": {"username": "jane.doe", "public_email": None},
}  # fmt: skip
BASE = "/api/crossdock/v1/projects/group%2Fone"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "map.csv"
    file.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    return file


async def shown(script: Script, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    async with script.server() as url:
        return await run_beside(monkeypatch, "people", *arguments, "--url", url, "--token", "secret")


async def test_people_are_listed_over_all_pages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer([JANE], Link='<http://x/?cursor=c>; rel="next"'), answer([JANE | {"id": 8}]))
    code, document = await documented(script, monkeypatch, capsys, "people", "group/one")
    assert (code, document["users"]) == (0, [JANE, JANE | {"id": 8}])
    first, second = (asked.target for asked in script.asked)
    assert first == f"{BASE}/users?per_page=100"
    assert "cursor=c" in second


async def test_a_table_has_who_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await shown(Script(answer([JANE])), monkeypatch, "group/one") == 0
    told = capsys.readouterr().out
    for text in ("jane", "2 issues, 1 notes", "jane.doe"):
        assert text in told


async def test_a_csv_goes_to_stdout_as_it_came(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async def respond(request: web.Request) -> web.Response:
        assert request.query["format"] == "csv"
        return web.Response(body=b"a,b\r\n", content_type="text/csv")

    assert await shown(Script(respond), monkeypatch, "group/one", "--csv") == 0
    assert capfdbinary.readouterr().out == b"a,b\r\n"


async def test_a_map_is_set(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer({"rows": 3, "people": [], "author": "a"}))
    code, document = await documented(script, monkeypatch, capsys, "people", "group/one", "--map", str(table))
    assert (code, document["rows"], document["mapped"]) == (0, 3, None)
    [asked] = script.asked
    assert (asked.method, asked.target) == ("PUT", f"{BASE}/people")
    assert json.loads(asked.body) == {"people": "a,b\n1,2\n", "dry_run": False}


async def test_a_dry_run_tells_the_counts(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(
        answer({"rows": 3, "mapped": 2, "without_email": 1, "unmapped": 5, "unused_rows": 1, "users": [JANE]})
    )
    assert await shown(script, monkeypatch, "group/one", "--map", str(table), "--dry-run") == 0
    assert json.loads(script.asked[0].body)["dry_run"] is True
    told = capsys.readouterr()
    assert "3 rows in the map, 2 people mapped, 5 not, 1 row names nobody" in told.out
    assert "1 person is mapped without an e-mail" in told.err


async def test_the_map_of_a_namespace_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(answer(status=204))
    assert await shown(script, monkeypatch, "group", "--namespace", "--delete") == 0
    assert (script.asked[0].method, script.asked[0].target) == (
        "DELETE",
        "/api/crossdock/v1/namespaces/group/people",
    )


@pytest.mark.parametrize(
    "arguments",
    [("--csv", "--delete"), ("--csv", "--json"), ("--dry-run",), ("--namespace",), ("--map", "/nowhere.csv")],
)
def test_options_that_do_not_belong_together_are_wrong_usage(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "people", "1", *arguments, "--token", "t") == 2


@pytest.mark.parametrize("data", [b"\xff", b"x" * (LARGEST + 1)])
def test_a_file_that_is_no_map_is_wrong_usage(
    data: bytes, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write_bytes(data)
    assert run(monkeypatch, "people", "1", "--map", str(table), "--token", "t") == 2


async def test_an_import_takes_a_map_and_members_along(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.tar.gz").write_bytes(b"\x1f\x8bdata")
    for more, sent in (((), False), (("--people", str(table), "--members"), True)):
        script = Script(answer(), imported("scheduled"), imported("finished"))
        code, _ = await documented(
            script, monkeypatch, capsys, "import", str(tmp_path / "one.tar.gz"), "--path", "group/one", *more
        )
        assert code == 0
        form = b"".join(asked.body for asked in script.asked)
        assert (b"a,b\n1,2\n" in form, b'name="import_members"' in form) == (sent, sent)


async def test_an_import_from_github_takes_a_map_along(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_s3cret")
    made = {"id": 7, "full_path": "/group/one", "import_status": "scheduled"}
    script = Script(answer(), answer(made, 201), imported("finished"))
    code, _ = await documented(
        script, monkeypatch, capsys, "import-github", "4711", "--path", "group/one", "--people", str(table)
    )
    assert code == 0
    assert json.loads(script.asked[1].body)["people"] == "a,b\n1,2\n"
