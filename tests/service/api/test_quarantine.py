from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.snapshots import quarantine
from shared.snapshots.quarantine import QuarantinedLine
from tests.support.api import Api
from tests.support.archives import file, packed
from tests.support.projects import ndjson
from tests.support.snapshots import Pusher, detail, pusher

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
