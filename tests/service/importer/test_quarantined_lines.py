from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from shared.snapshots import lifecycle, quarantine
from shared.snapshots.quarantine import QuarantinedLine
from tests.support.projects import Dock, ndjson, project

GOOD = b'{"iid":1,"title":"t"}'
BROKEN = b'{"iid":2,'
UNTITLED = b'{"iid":3}'


async def quarantined(dock: Dock, project_id: int = 1) -> list[QuarantinedLine]:
    snapshot_id = await lifecycle.current(dock.pool, project_id)
    assert snapshot_id is not None
    return [each async for some in quarantine.read_lines(dock.pool, snapshot_id) for each in some]


def told(lines: list[QuarantinedLine]) -> list[tuple[str, int, str, bytes | None]]:
    return [(each.relation, each.line, each.code, each.data) for each in lines]


async def test_each_refused_line_is_kept_with_its_place_and_its_reason(dock: Dock) -> None:
    lines = ndjson(GOOD, BROKEN, b"", b"[]", b"\xff{", b'{"title":"\xff"}', UNTITLED)
    await dock.run_import(project(issues=lines, labels=b"{"))
    found = await quarantined(dock)
    assert told(found) == [
        ("issues", 1, "not_json", BROKEN),
        ("issues", 3, "not_an_object", b"[]"),
        ("issues", 4, "not_json", b"\xff{"),
        ("issues", 5, "not_utf8", b'{"title":"\xff"}'),
        ("issues", 6, "invalid", UNTITLED),
        ("labels", 0, "not_json", b"{"),
    ]
    assert found[4].reason == "Validation failed: Title can't be blank"
    assert [each.size for each in found] == [len(each.data or b"") for each in found]


async def test_what_is_too_deep_is_kept_and_of_what_is_too_long_the_length(dock: Dock) -> None:
    dock.limits = replace(dock.limits, depth=2, line=100)
    deep = b'{"title":[[[]]]}'
    await dock.run_import(project(issues=ndjson(deep, b'{"title":"%s"}' % (b"x" * 200))))
    found = await quarantined(dock)
    assert told(found) == [("issues", 0, "too_deep", deep), ("issues", 1, "too_long", None)]
    assert found[1].size == 212


async def test_bytes_over_the_bounds_are_not_kept_and_are_counted(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MOST_BYTES", 20)
    monkeypatch.setattr(quarantine, "LONGEST_LINE", 12)
    lines = [b"{" * 13, b"{" * 12, b"{" * 9, b"{" * 8]
    await dock.run_import(project(issues=ndjson(*lines)))
    assert [each.data for each in await quarantined(dock)] == [None, lines[1], None, lines[3]]
    snapshot_id = await lifecycle.current(dock.pool, 1) or 0
    [counted] = await quarantine.count_by_relation(dock.pool, snapshot_id)
    assert (counted.relation, counted.lines, counted.size, counted.not_kept) == ("issues", 4, 42, 2)
    assert counted.codes == {"not_json": 4}


async def test_the_lines_of_a_file_that_another_replaces_are_not_quarantined(dock: Dock) -> None:
    first, again = ("tree/project/issues.ndjson", BROKEN), ("tree/project/issues.ndjson", UNTITLED)
    await dock.run_import(project(first, again, labels=b"{"))
    assert [each.data for each in await quarantined(dock)] == [UNTITLED, b"{"]


async def test_the_lines_go_with_their_snapshot_when_the_project_is_overwritten(dock: Dock) -> None:
    await dock.run_import(project(issues=BROKEN))
    await dock.run_import(project(issues=UNTITLED))
    await dock.collect()
    rows = await dock.pool.fetch("SELECT bytes FROM quarantined_lines")
    assert [row["bytes"] for row in rows] == [UNTITLED]


async def test_an_import_of_a_relation_adds_its_lines_to_those_that_are_there_once(dock: Dock) -> None:
    await dock.run_import(project(issues=ndjson(GOOD, BROKEN), labels=b"{"))
    before = await quarantined(dock)
    for _ in range(2):
        assert (await dock.run_relation(project(issues=ndjson(UNTITLED, BROKEN)))).error is None
    after = await quarantined(dock)
    assert after[:2] == before  # with their ids
    assert told(after)[2:] == [("issues", 0, "invalid", UNTITLED)]


async def test_an_import_of_a_relation_that_refuses_too_much_changes_nothing(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MOST_LINES", 2)
    await dock.run_import(project(issues=ndjson(BROKEN, UNTITLED)))
    done = await dock.run_relation(project(issues=ndjson(b"[]")))
    assert done.error == "over the limit of 2 refused lines"
    assert len(await quarantined(dock)) == 2


async def test_refused_lines_that_are_long_are_not_held_until_they_are_written(dock: Dock) -> None:
    lines = b"".join(b"{" * 999_000 + b"\n" for _ in range(30))
    packed = project(issues=lines)
    del lines
    tracemalloc.start()
    try:
        await dock.run_import(packed)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 * 2**20
    assert len(await quarantined(dock)) == 30
