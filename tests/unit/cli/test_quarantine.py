from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web

from services.cli import quarantine
from tests.support.command import documented, run, run_beside
from tests.support.gitlab_stub import Script, answer

BASE = "/api/crossdock/v1/projects/group%2Fone/quarantine"
LINE = {
    "id": 7, "relation": "issues", "line": 1, "code": "invalid", "reason": "Title can't be blank", "bytes": 9,
    "kept": True,
}  # fmt: skip
ISSUES = {"relation": "issues", "lines": 2, "bytes": 30, "not_kept": 1, "codes": {"invalid": 2}}
COUNTS = {
    "lines": 3,
    "bytes": 60,
    "not_kept": 2,
    "relations": [ISSUES, ISSUES | {"relation": "l", "lines": 1}],
}


def done(imported: int = 1, refused: int = 0, unknown: int = 0) -> dict[str, object]:
    return {
        "imported": imported, "relations": {"issues": imported}, "refused": refused, "unknown": unknown,
        "lines": [LINE] * refused,
    }  # fmt: skip


async def shown(script: Script, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    async with script.server() as url:
        return await run_beside(
            monkeypatch, "quarantine", "group/one", *arguments, "--url", url, "--token", "secret"
        )


async def test_refused_lines_are_counted_and_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer([LINE]), answer(COUNTS))
    code, document = await documented(script, monkeypatch, capsys, "quarantine", "group/one")
    assert (code, document) == (0, COUNTS | {"file": None, "refused_lines": [LINE]})
    assert [asked.target for asked in script.asked] == [f"{BASE}/lines?per_page=100", BASE]


async def test_a_table_has_the_reasons_of_one_relation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer([LINE]), answer(COUNTS))
    assert await shown(script, monkeypatch, "--relation", "issues") == 0
    told = capsys.readouterr()
    assert "Title can't be blank" in told.out
    assert "2 invalid" in told.out
    assert "2 refused lines" in told.out
    assert "and 1 more" in told.err
    assert "relation=issues" in script.asked[0].target


async def test_lines_are_downloaded_to_a_file_or_to_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async def respond(request: web.Request) -> web.Response:
        assert request.query["format"] == "ndjson"
        return web.Response(body=b'{"id":7}\n', content_type="application/x-ndjson")

    file = tmp_path / "lines.ndjson"
    assert await shown(Script(respond, answer(COUNTS)), monkeypatch, "-o", str(file)) == 0
    assert file.read_bytes() == b'{"id":7}\n'
    capfdbinary.readouterr()
    assert await shown(Script(respond), monkeypatch, "-o", "-") == 0
    assert capfdbinary.readouterr().out == b'{"id":7}\n'


async def test_repaired_lines_are_sent_by_requests_of_bounded_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quarantine, "_TOGETHER", 20)
    file = tmp_path / "lines.ndjson"
    file.write_bytes(b'{"id":1}\n\n{"id":2}\n{"id":3}')
    script = Script(answer(done(2)), answer(done(1, unknown=1)))
    code, document = await documented(
        script, monkeypatch, capsys, "quarantine", "group/one", "--import", str(file)
    )
    assert [asked.body for asked in script.asked] == [b'{"id":1}\n{"id":2}\n', b'{"id":3}']
    assert (code, document["imported"], document["unknown"], document["error"]) == (0, 3, 1, None)


async def test_lines_that_are_refused_again_are_told_and_the_exit_code_is_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.ndjson"
    file.write_bytes(b'{"id":1}\n')
    assert await shown(Script(answer(done(1, refused=1))), monkeypatch, "--import", str(file)) == 1
    told = capsys.readouterr()
    assert "Title can't be blank" in told.err
    assert "1 line is refused again, 1 is imported" in told.err


async def test_the_document_of_a_refusal_has_what_was_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.ndjson"
    file.write_bytes(b'{"id":1}\n')
    async with Script(answer(done(1, refused=1))).server() as url:
        code = await run_beside(
            monkeypatch, "quarantine", "group/one", "--import", str(file), "--json", "--url", url,
            "--token", "secret",
        )  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    assert (code, document["imported"], document["error_code"]) == (1, 1, "lines_refused")


async def test_lines_are_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(answer(status=204), answer(COUNTS))
    assert await shown(script, monkeypatch, "--discard", "--relation", "issues") == 0
    assert (script.asked[0].method, script.asked[0].target) == ("DELETE", f"{BASE}?relation=issues")


@pytest.mark.parametrize(
    "arguments",
    [("--discard", "-o", "x"), ("--import", "x", "--relation", "issues"), ("-o", "-", "--json")],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = run(
        monkeypatch, "quarantine", "group/one", *arguments, "--url", "http://127.0.0.1:1", "--token", "t"
    )
    assert code == 2


async def test_a_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert await shown(Script(), monkeypatch, "--import", str(tmp_path / "none")) == 2
