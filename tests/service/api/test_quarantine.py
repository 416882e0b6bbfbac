from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.accounts.models import User
from shared.assembly.blocks import BlockCorrupt
from shared.gitlab.features import FeatureLevel
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder
from shared.snapshots import lifecycle, quarantine
from shared.snapshots.contents import make_manifest_digest
from shared.snapshots.quarantine import QuarantinedLine
from shared.usecases import quarantine_repairs
from tests.support.api import Answer, Api
from tests.support.archives import file, packed
from tests.support.command import run_beside
from tests.support.imported import imported
from tests.support.projects import Dock, files, ndjson, project
from tests.support.snapshots import Pusher, collect, detail, pusher

BROKEN = b'{"iid":2,'
UNTITLED = b'{"iid":3}'


async def lines_of(api: Api, snapshot_id: int) -> Sequence[QuarantinedLine]:
    return [each async for some in quarantine.read_lines(api.pool, snapshot_id) for each in some]


@pytest.fixture
async def push(api: Api) -> Pusher:
    opened = await pusher(api)
    await opened.open()
    return opened


async def refused(push: Pusher) -> list[tuple[str, bytes | None]]:
    return [(each.relation, each.data) for each in await lines_of(push.api, push.snapshot)]


async def test_refused_lines_of_a_push_are_those_of_the_entries_that_it_has(push: Pusher) -> None:
    await push.put("relations/issues", ndjson(BROKEN, UNTITLED))
    await push.put("relations/labels", BROKEN)
    assert await refused(push) == [("issues", BROKEN), ("issues", UNTITLED), ("labels", BROKEN)]
    await push.put("relations/issues", UNTITLED)
    assert await refused(push) == [("labels", BROKEN), ("issues", UNTITLED)]
    await push.call("DELETE", "relations/labels")
    assert await refused(push) == [("issues", UNTITLED)]
    again = packed(file("tree/project/issues.ndjson", b"[]"), file("tree/project/notes.ndjson", b"[]"))
    await push.put("entries", again)
    assert await refused(push) == [("issues", b"[]"), ("notes", b"[]")]


async def test_a_push_with_content_has_the_refused_lines_of_the_project(push: Pusher) -> None:
    await push.put("project", b"{}")
    await push.put("relations/issues", BROKEN)
    assert (await push.commit()).status == 200
    await push.open(**{"from": "current"})
    assert await refused(push) == [("issues", BROKEN)]


async def test_a_push_with_too_many_refused_lines_is_refused(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MOST_LINES", 3)
    await push.put("relations/issues", ndjson(BROKEN, UNTITLED))
    answer = await push.call("PUT", "relations/labels", data=ndjson(BROKEN, BROKEN + b" "))
    assert (answer.status, detail(answer)) == (422, "over the limit of 3 refused lines")
    assert await refused(push) == [("issues", BROKEN), ("issues", UNTITLED)]


async def test_bytes_over_the_bound_of_a_push_are_not_kept(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MOST_BYTES", 20)
    await push.put("relations/issues", ndjson(BROKEN, UNTITLED))
    await push.put("relations/labels", BROKEN)
    assert await refused(push) == [("issues", BROKEN), ("issues", UNTITLED), ("labels", None)]


@dataclass(slots=True)
class Imported:
    """A project that was imported, and what its owner asks about its quarantine."""

    api: Api
    id: int

    async def ask(self, method: str, path: str = "", **more: Any) -> Answer:
        address = f"/api/crossdock/v1/projects/{self.id}/quarantine{path}"
        return await self.api.call(method, address, by="ann", **more)

    async def read(self, query: str = "") -> list[dict[str, Any]]:
        answer = await self.ask("GET", f"?format=ndjson{query}")
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.body.splitlines()]


NOT_UTF8 = b'{"title":"\xff"}'
LINES = project(issues=ndjson(b'{"iid":1,"title":"t"}', BROKEN, UNTITLED), labels=NOT_UTF8)


@pytest.fixture
async def made(api: Api, ann: User) -> Imported:
    return Imported(api, (await imported(api, ann, LINES)).id)


async def test_refused_lines_are_counted_by_relation_and_reason(made: Imported) -> None:
    answer = await made.ask("GET")
    assert answer.body == {
        "lines": 3, "bytes": len(BROKEN + UNTITLED + NOT_UTF8), "not_kept": 0,
        "relations": [
            {"relation": "issues", "lines": 2, "bytes": len(BROKEN + UNTITLED), "not_kept": 0,
             "codes": {"invalid": 1, "not_json": 1}},
            {"relation": "labels", "lines": 1, "bytes": len(NOT_UTF8), "not_kept": 0,
             "codes": {"not_utf8": 1}},
        ],
    }  # fmt: skip


async def test_refused_lines_are_listed_by_pages(made: Imported) -> None:
    first = await made.ask("GET", "/lines?per_page=2&relation=issues")
    assert [(each["relation"], each["line"], each["code"], each["kept"]) for each in first.body] == [
        ("issues", 1, "not_json", True), ("issues", 2, "invalid", True)
    ]  # fmt: skip
    assert "Link" not in first.headers
    page = await made.ask("GET", "/lines?per_page=2")
    following = page.headers["Link"].partition("/quarantine")[2].partition(">")[0]
    assert [each["relation"] for each in (await made.ask("GET", following)).body] == ["labels"]


async def test_refused_lines_are_downloaded_with_their_bytes(made: Imported) -> None:
    found = await made.read()
    assert [(each["record"], each["record_base64"]) for each in found] == [
        (BROKEN.decode(), None), (UNTITLED.decode(), None), (None, b64encode(NOT_UTF8).decode())
    ]  # fmt: skip
    assert found[1]["reason"] == "Validation failed: Title can't be blank"
    assert [each["line"] for each in await made.read("&relation=labels")] == [0]


async def test_refused_lines_are_discarded(made: Imported) -> None:
    first, second, third = [each["id"] for each in await made.read()]
    assert (await made.ask("DELETE", f"/lines/{second}")).status == 204
    assert (await made.ask("DELETE", f"/lines/{second}")).status == 404
    assert [each["id"] for each in await made.read()] == [first, third]
    assert (await made.ask("DELETE", "?relation=issues")).status == 204
    assert [each["id"] for each in await made.read()] == [third]
    assert (await made.ask("DELETE")).status == 204
    assert await made.read() == []


async def test_a_project_without_content_has_no_refused_lines(api: Api, ann: User) -> None:
    empty = Imported(api, (await api.project(ann, "empty")).id)
    assert (await empty.ask("GET")).body == {"lines": 0, "bytes": 0, "not_kept": 0, "relations": []}
    assert (await empty.ask("GET", "/lines")).body == []
    assert await empty.read() == []
    assert (await empty.ask("DELETE")).status == 204


def repaired(lines: list[dict[str, Any]], *records: object) -> bytes:
    sent = [{"id": line["id"], "record": record} for line, record in zip(lines, records, strict=True)]
    return ndjson(*(json.dumps(each).encode() for each in sent))


async def issues_of(made: Imported) -> bytes:
    dock = Dock(made.api.pool, made.api.folder)
    return files(await dock.run_export(project_id=made.id))["tree/project/issues.ndjson"]


async def test_repaired_lines_are_content_and_the_others_stay_with_new_reasons(made: Imported) -> None:
    lines = await made.read()
    broken, untitled = '{"iid":2,"title":"b"}', {"iid": 3, "title": "c"}
    answer = await made.ask("POST", data=repaired(lines, broken, untitled, "[]"))
    assert (answer.status, answer.body["imported"], answer.body["relations"]) == (200, 2, {"issues": 2})
    assert (answer.body["refused"], answer.body["unknown"]) == (1, 0)
    [refused] = answer.body["lines"]
    assert (refused["id"], refused["code"]) == (lines[2]["id"], "not_an_object")
    assert await issues_of(made) == ndjson(
        b'{"iid":1,"title":"t"}', b'{"iid":2,"title":"b"}', b'{"iid": 3, "title": "c"}'
    )
    [left] = await made.read()
    assert (left["relation"], left["record"], left["code"]) == ("labels", "[]", "not_an_object")


async def test_lines_that_were_not_repaired_stay_as_they_are(made: Imported) -> None:
    lines = await made.read()
    answer = await made.ask("POST", data=repaired(lines[:1], '{"iid":2,"title":"b"}'))
    assert answer.body["imported"] == 1
    assert await made.read() == lines[1:]


async def test_bytes_that_are_no_text_are_sent_back_in_base64(made: Imported) -> None:
    line = (await made.read())[2]
    sent = {"id": line["id"], "record": None, "record_base64": b64encode(b'{"title":"\xc3\xbf"}').decode()}
    answer = await made.ask("POST", data=json.dumps(sent).encode())
    assert (answer.body["imported"], answer.body["relations"]) == (1, {"labels": 1})


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ('{"iid":1,"title":"again"}', "duplicate"),
        ('{"iid":2,\n"title":"b"}', "not_json"),
        ('{"iid":2,"title":"b"}\n{}', "not_json"),
        ("", "not_an_object"),
        (None, "not_an_object"),
        ({"iid": 2}, "invalid"),
    ],
)
async def test_what_is_no_new_record_changes_no_content(made: Imported, record: object, code: str) -> None:
    before, line = await issues_of(made), (await made.read())[0]
    snapshot_id = await lifecycle.current(made.api.pool, made.id)
    answer = await made.ask("POST", data=repaired([line], record))
    assert (answer.body["imported"], answer.body["refused"]) == (0, 1)
    assert (await made.read())[0]["code"] == code
    assert await issues_of(made) == before
    assert await lifecycle.current(made.api.pool, made.id) == snapshot_id


async def test_of_repaired_lines_with_one_iid_the_first_is_taken(made: Imported) -> None:
    lines = (await made.read())[:2]
    answer = await made.ask("POST", data=repaired(lines, {"iid": 5, "title": "a"}, {"iid": 5, "title": "b"}))
    assert [each["code"] for each in answer.body["lines"]] == ["duplicate"]
    assert (await issues_of(made)).endswith(b'{"iid": 5, "title": "a"}\n')


async def test_a_repaired_line_is_repaired_once(made: Imported) -> None:
    sent = repaired((await made.read())[:1], {"iid": 2, "title": "b"})
    await made.ask("POST", data=sent)
    assert (await made.ask("POST", data=sent)).body == {
        "imported": 0, "relations": {}, "refused": 0, "unknown": 1, "lines": []
    }  # fmt: skip
    assert (await issues_of(made)).count(b'"b"') == 1


async def test_a_relation_of_one_record_gets_it_in_place_of_null(api: Api, ann: User) -> None:
    packed_ = project(project_feature=b"null\n{", ci_cd_settings=b"{}\n[]")
    made = Imported(api, (await imported(api, ann, packed_)).id)
    answer = await made.ask("POST", data=repaired(await made.read(), {"issues_access_level": 0}, {}))
    assert answer.body["relations"] == {"project_feature": 1}
    assert answer.body["lines"][0]["reason"] == "the project has the one record of this relation"
    found = files(await Dock(api.pool, api.folder).run_export(project_id=made.id))
    assert found["tree/project/project_feature.ndjson"] == b'{"issues_access_level": 0}\n'
    content = await lifecycle.current_content(api.pool, made.id)
    assert content is not None
    assert content.features is not None
    assert content.features.issues is FeatureLevel.DISABLED


async def test_no_line_is_repaired_while_the_project_is_imported(made: Imported) -> None:
    lines = (await made.read())[:1]
    found = await made.api.pool.fetchrow("SELECT * FROM projects WHERE id = $1", made.id)
    assert found is not None
    ann = await made.api.pool.fetchval("SELECT id FROM users WHERE username = 'ann'")
    await jobs.enqueue(made.api.pool, ImportOrder(), project_id=made.id, user_id=ann, correlation_id="c")
    answer = await made.ask("POST", data=repaired(lines, {"iid": 2, "title": "b"}))
    assert answer.status == 409
    assert (await made.read())[:1] == lines


async def test_lines_of_content_that_is_replaced_meanwhile_are_not_imported(
    made: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (await made.read())[:2]

    async def overtaken(db: Any, snapshot_id: int) -> bytes:
        monkeypatch.undo()
        other = await Dock(made.api.pool, made.api.folder).run_import(LINES, project_id=made.id)
        assert other.error is None
        return await make_manifest_digest(db, snapshot_id)

    monkeypatch.setattr(quarantine_repairs, "make_manifest_digest", overtaken)
    answer = await made.ask("POST", data=repaired(lines[:1], {"iid": 2, "title": "second"}))
    assert answer.status == 409
    assert b"second" not in await issues_of(made)


@pytest.mark.parametrize(
    "sent",
    [b"{", b'{"record":"x"}', b'{"id":0}', b'{"id":1,"record_base64":"x"}', b'{"id":9223372036854775808}'],
)
async def test_a_body_that_is_no_such_ndjson_is_refused(made: Imported, sent: bytes) -> None:
    answer = await made.ask("POST", data=b"\n" + sent)
    assert (answer.status, detail(answer)[:7]) == (400, "line 2:")


async def test_more_repaired_lines_than_a_request_may_have_are_refused(
    made: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine_repairs, "DOCUMENT_LIMIT", 30)
    lines = (await made.read())[:2]
    answer = await made.ask("POST", data=repaired(lines, "x" * 20, "x" * 11))
    assert answer.status == 413
    monkeypatch.setattr(quarantine, "MOST_LINES", 1)
    answer = await made.ask("POST", data=repaired([*lines, lines[0]], *"xyz"))
    assert answer.status == 413
    assert await made.read("&relation=issues") == lines


def _first_current(monkeypatch: pytest.MonkeyPatch, snapshot_id: int) -> None:
    """Let the first look-up of a project's snapshot find one that is gone when it is read."""
    current = lifecycle.current

    async def outdated(db: Any, project_id: int) -> int | None:
        monkeypatch.setattr(lifecycle, "current", current)
        return snapshot_id

    monkeypatch.setattr(lifecycle, "current", outdated)


async def test_lines_of_content_that_is_gone_are_looked_up_again(
    made: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    _first_current(monkeypatch, 10**9)
    assert len(await made.read()) == 3


async def test_no_line_of_content_that_is_gone_is_repaired(
    made: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = repaired((await made.read())[:1], {"iid": 2, "title": "b"})
    _first_current(monkeypatch, 10**9)
    assert (await made.ask("POST", data=sent)).status == 409


async def test_a_repair_that_breaks_off_leaves_nothing(
    made: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = await made.read()

    async def broken(*_: object) -> bytes:
        raise BlockCorrupt("key", 1)

    monkeypatch.setattr(quarantine_repairs, "make_manifest_digest", broken)
    answer = await made.ask("POST", data=repaired(lines[:1], {"iid": 2, "title": "b"}))
    assert answer.status >= 500
    await made.api.pool.execute("UPDATE snapshots SET read_until = now()")
    await collect(made.api)
    assert await made.read() == lines
    assert await made.api.pool.fetchval("SELECT count(*) FROM snapshots") == 1


async def test_the_command_line_downloads_lines_and_imports_them_repaired(
    made: Imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lines.ndjson"
    server = ("--url", str(made.api.url), "--token", made.api.tokens["ann"])
    assert await run_beside(monkeypatch, "quarantine", "ann/project", "-o", str(file), *server) == 0
    file.write_bytes(file.read_bytes().replace(b'{\\"iid\\":3}', b'{\\"iid\\":3,\\"title\\":\\"c\\"}'))
    assert await run_beside(monkeypatch, "quarantine", "ann/project", "--import", str(file), *server) == 1
    assert (await issues_of(made)).splitlines()[-1] == b'{"iid":3,"title":"c"}'
    assert [each["code"] for each in await made.read()] == ["not_json", "not_utf8"]


async def test_the_limits_show_how_much_is_kept(made: Imported) -> None:
    answer = await made.api.call("GET", "/api/crossdock/v1/limits", by="ann")
    assert answer.body["quarantine"] == {"line_size": 2**20, "size": 2**25, "lines": 100_000}
