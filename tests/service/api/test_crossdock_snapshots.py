from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientError

from services.api.http.places import PlaceNumbers
from shared.accounts.models import AccessLevel
from shared.admission import Holder, PlaceRules
from shared.archive.limits import Limits, Prices
from shared.assembly.blocks import BlockCorrupt
from shared.jobs.models import ImportOrder, JobKind
from shared.ledger.collector import Collector
from shared.pushes import parts, store
from shared.pushes.parts import Part
from shared.usecases import push_content
from shared.usecases.push_content import PushedBody
from tests.support.api import Answer, Api
from tests.support.counting import flip
from tests.support.imported import imported
from tests.support.projects import Dock, bundle, ndjson
from tests.support.projects import project as archive
from tests.support.snapshots import Pusher, collect, detail, pusher
from tests.support.waiting import until_locked, until_row

ISSUES = ndjson(b'{"title":"one","iid":1}', b'{"title":"two","iid":2}')
OBJECT = b"an object"
OID = hashlib.sha256(OBJECT).hexdigest()
SECRET = "0123456789abcdef0123456789abcdef"
WHOLE = {
    "project": (b'{"description":"d"}', "tree/project.json"),
    "relations/issues": (ISSUES, "tree/project/issues.ndjson"),
    "repository": (bundle(b"r"), "project.bundle"),
    "wiki": (bundle(b"w"), "project.wiki.bundle"),
    "design": (bundle(b"d"), "project.design.bundle"),
    f"uploads/{SECRET}/a.png": (b"png", f"uploads/{SECRET}/a.png"),
    f"uploads/{SECRET}/%E4%B8%AD%20b%2Fc.png": (b"", f"uploads/{SECRET}/中 b/c.png"),
    "lfs": (json.dumps({OID: [0]}).encode(), "lfs-objects.json"),
    f"lfs/{OID}": (OBJECT, f"lfs-objects/{OID}"),
    "snippets/00ff.bundle": (bundle(b"s"), "snippets/00ff.bundle"),
    "files/GITLAB_VERSION": (b"18.9.0", "GITLAB_VERSION"),
    "files/avatar%2Fme.png": (b"me", "avatar/me.png"),
}


@pytest.fixture
async def push(api: Api) -> Pusher:
    return await pusher(api)


async def _opened(push: Pusher, **given: Any) -> Pusher:
    answer = await push.open(**given)
    assert answer.status == 201, answer
    return push


async def test_what_is_pushed_is_exported_as_it_was_sent(push: Pusher) -> None:
    await _opened(push)
    await asyncio.gather(*(push.put(path, data) for path, (data, _) in WHOLE.items()))

    assert (await push.commit()).status == 200

    exported = {name: data for name, data in (await push.exported()).items() if not name.endswith("/")}
    assert exported == {"VERSION": b"0.2.4"} | {name: data for data, name in WHOLE.values()}


async def test_nothing_is_seen_of_a_snapshot_before_its_commit(push: Pusher) -> None:
    await _opened(push)
    await push.put("project", b"{}")
    await push.put("relations/issues", ISSUES)

    before = await push.api.get(f"/projects/{push.project.id}/issues", by=push.user.username)
    await push.commit()
    after = await push.api.get(f"/projects/{push.project.id}/issues", by=push.user.username)

    assert (before.body, [each["iid"] for each in after.body]) == ([], [2, 1])


async def test_a_snapshot_tells_how_it_stands(push: Pusher) -> None:
    opened = await push.open()
    assert opened.headers["Location"].endswith(f"{push.above}/{push.snapshot}")
    await push.put("relations/issues", ISSUES)
    await push.put("project", b"{}")

    shown = (await push.call("GET")).body
    committed = (await push.commit()).body

    assert (shown["state"], shown["base"]) == ("open", None)
    assert (shown["entries"], shown["bytes"]) == (2, len(ISSUES) + 2)
    assert shown["expires_at"] > opened.body["created_at"]
    assert committed == shown | {
        "state": "committed", "expires_at": None, "committed_at": committed["committed_at"],
    }  # fmt: skip
    assert committed["committed_at"].endswith("Z")


async def test_open_snapshots_are_listed_until_they_are_committed_or_thrown_away(push: Pusher) -> None:
    numbers = [(await push.open()).body["id"] for _ in range(3)]
    assert (await push.call("DELETE")).status == 204
    push.snapshot = numbers[0]
    await push.put("project", b"{}")
    await push.commit()

    listed = await push.api.call("GET", push.above, by=push.user.username)

    assert [each["id"] for each in listed.body] == [numbers[1]]


async def test_an_entry_is_told_with_its_digest(push: Pusher) -> None:
    await _opened(push)
    answer = await push.put("relations/issues", ISSUES)

    entry = {
        "name": "tree/project/issues.ndjson",
        "kind": "relation",
        "size": len(ISSUES),
        "sha256": hashlib.sha256(ISSUES).hexdigest(),
        "lines": 2,
    }
    assert answer.body == entry | {"failed_lines": 0, "failures": []}
    assert await push.entries() == {entry["name"]: entry}


GZIPPED = pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {}])


@GZIPPED
@pytest.mark.parametrize("cut", [1, 65536])
@pytest.mark.parametrize("path", ["relations/issues", "files/tree%2Fproject%2Fissues.ndjson"])
async def test_a_relation_may_be_gzipped(push: Pusher, path: str, headers: dict[str, str], cut: int) -> None:
    await _opened(push)
    packed = gzip.compress(ISSUES)

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(packed), cut):
            yield packed[start : start + cut]

    answer = await push.call("PUT", path, data=body(), headers=headers)

    assert (answer.status, answer.body["lines"]) == (200, 2)
    assert answer.body["sha256"] == hashlib.sha256(ISSUES).hexdigest()


@pytest.mark.parametrize("sent", [b"", b"{", b"\x1f"])
async def test_a_relation_of_less_than_gzip_begins_with_is_taken_as_it_is(push: Pusher, sent: bytes) -> None:
    await _opened(push)
    answer = await push.put("relations/issues", sent)

    assert (answer.body["lines"], answer.body["failed_lines"]) == (0, len(sent))


async def test_a_file_that_is_gzip_stays_gzip(push: Pusher) -> None:
    await _opened(push)
    packed = gzip.compress(b"log")
    answer = await push.put(f"uploads/{SECRET}/log.gz", packed)

    assert answer.body["sha256"] == hashlib.sha256(packed).hexdigest()


@GZIPPED
async def test_of_a_gzipped_body_that_is_cut_short_nothing_is_kept(
    push: Pusher, headers: dict[str, str]
) -> None:
    await _opened(push)
    cut = gzip.compress(ISSUES)[:-9]
    answer = await push.call("PUT", "relations/issues", data=cut, headers=headers)

    assert (answer.status, "cut short" in detail(answer)) == (400, True)
    assert await push.entries() == {}


async def test_bad_lines_are_left_out_counted_and_the_first_hundred_told(push: Pusher) -> None:
    await _opened(push)
    answer = await push.put("relations/issues", ISSUES + b"no json\n" * 150)

    assert (answer.body["lines"], answer.body["failed_lines"]) == (2, 150)
    assert [each["line_number"] for each in answer.body["failures"]] == list(range(2, 102))
    assert answer.body["failures"][0]["exception_class"] == "JSON::ParserError"
    assert "byte 4" in answer.body["failures"][0]["exception_message"]


async def test_what_is_sent_again_takes_the_place_of_what_was_there(push: Pusher) -> None:
    await _opened(push)
    for data in (ISSUES * 3, ISSUES, ndjson(b'{"title":"last"}')):
        await push.put("relations/issues", data)
        await push.put(f"uploads/{SECRET}/a", data)
    await push.put("project", b"{}")

    shown = (await push.call("GET")).body
    await push.commit()
    exported = await push.exported()

    assert (shown["entries"], shown["bytes"]) == (3, 2 * len(b'{"title":"last"}\n') + 2)
    assert exported["tree/project/issues.ndjson"] == exported[f"uploads/{SECRET}/a"] == b'{"title":"last"}\n'


async def test_what_was_replaced_is_collected(push: Pusher) -> None:
    await _opened(push)
    for number in range(3):
        await push.put("relations/issues", ndjson(b'{"title":"%d"}' % number))
        await push.put(f"uploads/{SECRET}/a", b"%d" % number)
    await collect(push.api)

    assert await push.api.objects_left() == 2 * 2


async def test_what_was_sent_twice_is_stored_once(push: Pusher) -> None:
    await _opened(push)
    await asyncio.gather(*(push.put(f"uploads/{SECRET}/{n}", b"the same") for n in range(5)))
    await collect(push.api)

    assert await push.api.objects_left() == 2


async def test_of_requests_at_once_for_one_entry_one_stays_whole(push: Pusher) -> None:
    await _opened(push)
    sent = [ndjson(b'{"title":"%d"}' % n) * (n + 1) for n in range(8)]
    await asyncio.gather(*(push.put("relations/issues", data) for data in sent))
    await push.put("project", b"{}")
    await push.commit()

    assert (await push.exported())["tree/project/issues.ndjson"] in sent
    count = "SELECT count(*) FROM segments"
    assert await push.api.pool.fetchval(count) == 1


async def test_an_entry_can_be_taken_out(push: Pusher) -> None:
    await _opened(push)
    await push.put("relations/issues", ISSUES)

    assert (await push.call("DELETE", "relations/issues")).status == 204

    assert await push.entries() == {}
    assert ((await push.call("GET")).body["entries"], (await push.call("GET")).body["bytes"]) == (0, 0)
    assert (await push.call("DELETE", "relations/issues")).status == 404
    assert await push.api.pool.fetchval("SELECT count(*) FROM segments") == 0


async def test_folders_that_are_empty_go_with_the_last_entry_in_them(api: Api, push: Pusher) -> None:
    folders = ("uploads/", "uploads/a/", "uploads/a/b/", "uploads/c/", "uploads/c-/")
    files = ("uploads/a/b/1", "uploads/a/b/2", "uploads/c/1")
    packed = archive(*((name, b"") for name in folders), *((name, b"x") for name in files))
    push.project = await imported(api, push.user, packed, path="other")
    await _opened(push, **{"from": "current"})

    left = []
    for name in files:
        assert (await push.call("DELETE", f"files/{quote(name, safe='')}")).status == 204
        left.append({each for each in await push.entries() if each in folders})

    assert left == [{*folders}, {"uploads/", "uploads/c/", "uploads/c-/"}, {"uploads/", "uploads/c-/"}]
    assert (await push.call("GET")).body["entries"] == len(await push.entries())
    assert (await push.commit()).status == 200
    assert {name for name in await push.exported() if name.startswith("uploads")} == left[-1]


async def test_a_snapshot_may_start_from_the_current_one(push: Pusher) -> None:
    await push.pushed(
        project=b'{"description":"d"}', relations__issues=ISSUES, relations__labels=b"", wiki=bundle()
    )
    first = push.snapshot

    opened = await push.open(**{"from": "current"})
    await push.put("relations/issues", ISSUES * 2)
    await push.call("DELETE", "wiki")
    committed = await push.commit()
    await collect(push.api)
    exported = await push.exported()

    assert (opened.body["base"], opened.body["entries"]) == (first, 4)
    assert committed.status == 200
    assert exported["tree/project/issues.ndjson"] == ISSUES * 2
    assert exported["tree/project.json"] == b'{"description":"d"}'
    assert "project.wiki.bundle" not in exported
    assert await push.api.pool.fetchval("SELECT count(*) FROM snapshots") == 1


async def test_what_was_imported_can_be_changed_in_part(api: Api, push: Pusher) -> None:
    push.project = await imported(
        api, push.user, archive(issues=ISSUES, labels=b'{"title":"l"}\n'), path="other"
    )
    await _opened(push, **{"from": "current"})
    await push.put("relations/labels", b'{"title":"m"}\n')
    await push.commit()

    exported = await push.exported()

    assert exported["tree/project/issues.ndjson"] == ISSUES
    assert exported["tree/project/labels.ndjson"] == b'{"title":"m"}\n'


async def test_a_commit_is_refused_where_the_project_has_got_other_content(push: Pusher) -> None:
    await _opened(push)
    await push.put("project", b'{"description":"late"}')
    late = push.snapshot
    await push.pushed(project=b"{}", relations__issues=ISSUES)
    push.snapshot = late

    refused = await push.commit()
    unchanged = await push.exported()
    forced = await push.commit(force=True)

    assert (refused.status, "got new content meanwhile" in detail(refused)) == (409, True)
    assert unchanged["tree/project/issues.ndjson"] == ISSUES
    assert forced.status == 200
    assert "tree/project/issues.ndjson" not in await push.exported()


async def test_a_commit_waits_until_an_import_that_was_retried_has_ended(api: Api, push: Pusher) -> None:
    dock, job = Dock(api.pool, api.folder), "/api/crossdock/v1/jobs"
    packed = archive(issues=ISSUES)
    ordered = await dock.order_import(packed, project_id=push.project.id, user_id=push.user.id)
    await api.call("POST", f"{job}/{ordered.id}/cancel", by=push.user.username)
    await _opened(push)
    await push.put("project", b"{}")
    retried = await api.call("POST", f"{job}/{ordered.id}/retry", by=push.user.username)
    assert retried.status == 201, retried

    meanwhile = [await push.commit(), await push.commit(force=True)]
    assert (await dock.attempt(await api.newest(push.project, JobKind.IMPORT))).error is None
    afterwards = [await push.commit(), await push.commit(force=True)]

    unfinished = (409, "the import of the project has not ended")
    assert [(answer.status, detail(answer)) for answer in meanwhile] == [unfinished] * 2
    assert [answer.status for answer in afterwards] == [409, 200]
    assert "got new content meanwhile" in detail(afterwards[0])
    assert "tree/project/issues.ndjson" not in await push.exported()


async def test_a_commit_may_be_repeated(push: Pusher) -> None:
    await _opened(push)
    await push.put("project", b"{}")

    answers = await asyncio.gather(*(push.commit() for _ in range(3)))

    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].body == answers[1].body == answers[2].body


async def test_a_snapshot_without_attributes_of_the_project_is_not_committed(push: Pusher) -> None:
    await _opened(push)
    await push.put("relations/issues", ISSUES)

    refused = await push.commit()

    assert (refused.status, "tree/project.json is missing" in detail(refused)) == (422, True)
    assert (await push.call("GET")).body["state"] == "open"


async def test_an_lfs_object_that_the_list_lacks_keeps_a_snapshot_from_its_commit(push: Pusher) -> None:
    await _opened(push)
    await push.put("project", b"{}")
    await push.put(f"lfs/{OID}", OBJECT)
    await push.put("lfs", b"{}")

    refused = await push.commit()
    await push.put("lfs", json.dumps({OID: [0, None]}).encode())

    assert (refused.status, detail(refused)) == (422, f"lfs-objects/{OID} is not listed in lfs-objects.json")
    assert (await push.commit()).status == 200


async def test_a_list_of_lfs_objects_that_is_corrupt_keeps_a_snapshot_from_its_commit(push: Pusher) -> None:
    await _opened(push)
    await push.put("project", b"{}")
    await push.put("lfs", b"{}")
    key = await push.api.pool.fetchval(
        "SELECT o.key FROM entries e JOIN objects o ON o.id = e.object_id WHERE e.name = 'lfs-objects.json'"
    )
    flip(push.api.folder / key, 1)

    found = await store.find(push.api.pool, push.project.id, push.snapshot)
    assert found is not None
    with pytest.raises(BlockCorrupt):
        await push.api.uses.pushes.commit(push.user, found, force=False, holder=Holder.of_user(push.user.id))

    assert (await push.commit()).status == 503
    assert (await push.call("GET")).body["state"] == "open"


async def test_what_is_written_while_a_commit_checks_the_content_stops_it(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _opened(push)
    await push.put("project", b"{}")
    commit = store.commit

    async def late(*given: Any, **more: Any) -> bool:
        assert (await push.call("DELETE", "project")).status == 204
        return await commit(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(store, "commit", late)
        refused = await push.commit()

    assert (refused.status, "written to while it was committed" in detail(refused)) == (409, True)


@pytest.mark.parametrize(("method", "path"), [("PUT", "project"), ("DELETE", "project"), ("DELETE", "")])
async def test_a_committed_snapshot_does_not_change(push: Pusher, method: str, path: str) -> None:
    await push.pushed(project=b"{}")

    refused = await push.call(method, path, data=b'{"a":1}' if method == "PUT" else None)

    assert (refused.status, "is committed" in detail(refused)) == (409, True)
    assert (await push.exported())["tree/project.json"] == b"{}"


async def test_a_request_that_ends_after_the_commit_changes_nothing(push: Pusher) -> None:
    await _opened(push)
    await push.put("project", b"{}")
    begun, committed = asyncio.Event(), asyncio.Event()

    async def body() -> Any:
        yield b'{"title":"x"}\n'
        begun.set()
        await committed.wait()
        yield b'{"title":"y"}\n'

    late = asyncio.create_task(push.call("PUT", "relations/issues", data=body()))
    await begun.wait()
    assert (await push.commit()).status == 200
    committed.set()
    refused = await late

    assert (refused.status, "is committed" in detail(refused)) == (409, True)
    assert "tree/project/issues.ndjson" not in await push.exported()
    await collect(push.api)
    assert await push.api.pool.fetchval("SELECT count(*) FROM snapshots") == 1


async def test_a_snapshot_that_is_left_expires_with_all_that_was_sent(push: Pusher) -> None:
    await _opened(push)
    await push.put("relations/issues", ISSUES)
    await collect(push.api)
    assert (await push.call("GET")).status == 200

    await push.api.pool.execute("UPDATE pushes SET expires_at = now()")

    refused = [
        await push.call("GET"), await push.call("PUT", "project", data=b"{}"), await push.commit(),
    ]  # fmt: skip
    assert [answer.status for answer in refused] == [404] * 3
    await collect(push.api)
    assert await push.api.objects_left() == 0
    assert await push.api.pool.fetchval("SELECT count(*) FROM snapshots") == 0


async def test_every_write_puts_the_end_of_a_snapshot_off(push: Pusher) -> None:
    await _opened(push)
    end = "SELECT expires_at FROM pushes"
    ends = [await push.api.pool.fetchval(end)]
    for method in ("PUT", "DELETE"):
        await push.call(method, "relations/issues", data=ISSUES if method == "PUT" else None)
        ends.append(await push.api.pool.fetchval(end))

    assert ends == sorted(set(ends))


async def test_a_request_that_takes_long_puts_the_end_of_a_snapshot_off_meanwhile(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _opened(push)
    now = 0.0
    prolonged: list[float] = []
    monkeypatch.setattr(push_content, "time", SimpleNamespace(time=lambda: 7, monotonic=lambda: now))
    prolong = store.prolong

    async def noted(*given: Any, **more: Any) -> store.Push:
        prolonged.append(now)
        return await prolong(*given, **more)

    async def body() -> AsyncIterator[bytes]:
        nonlocal now
        for hours in (5, 7, 11, 14):
            now = hours * 3600
            yield b"{}\n"

    monkeypatch.setattr(store, "prolong", noted)
    api, found = push.api, await store.find(push.api.pool, push.project.id, push.snapshot)
    assert found is not None
    sent = PushedBody(body(), lambda: 0)
    await api.uses.pushes.receive(found, "tree/project/unknown.ndjson", sent, holder=Holder.of_user(1))

    assert prolonged == [0, 7 * 3600, 14 * 3600]


async def test_the_collector_leaves_a_snapshot_that_is_being_written(push: Pusher) -> None:
    await _opened(push)
    found = await store.find(push.api.pool, push.project.id, push.snapshot)
    assert found is not None
    async with push.api.pool.acquire() as db, db.transaction():
        await store.hold(db, found, idle=timedelta(days=1))
        # It sees the time as it was before: what saves the snapshot is that its row is locked.
        other = Collector(push.api.pool, push.api.store, grace=timedelta(0))
        await db.execute("UPDATE pushes SET expires_at = now()")
        assert await other.collect_snapshots() == 0
        await db.execute("UPDATE pushes SET expires_at = now() + interval '1 day'")

    assert (await push.call("GET")).status == 200


async def test_a_part_goes_some_minutes_after_its_request_died_though_its_snapshot_stays_open(
    push: Pusher,
) -> None:
    await _opened(push)
    pool, objects = push.api.pool, push.api.store
    collector = Collector(pool, objects, grace=timedelta(0))
    found = await store.find(pool, push.project.id, push.snapshot)
    assert found is not None
    async with parts.write_part(pool, objects, found) as part:
        assert await collector.collect_snapshots() == 0
        silent = "UPDATE snapshots SET read_until = now() - interval '1 s' WHERE id = $1"
        await pool.execute(silent, part.writer.snapshot_id)
        assert await collector.collect_snapshots() == 1

    assert (await push.call("GET")).status == 200


async def test_a_part_of_a_version_before_is_kept_as_long_as_its_snapshot(push: Pusher) -> None:
    await _opened(push)
    await push.api.pool.execute(
        "INSERT INTO snapshots (project_id, part_of) VALUES ($1, $2)", push.project.id, push.snapshot
    )
    assert await Collector(push.api.pool, push.api.store, grace=timedelta(0)).collect_snapshots() == 0


async def test_a_snapshot_is_thrown_away_while_others_wait_to_write_into_it(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _opened(push)
    hold = store.hold
    writers: list[asyncio.Task[Answer]] = []

    async def slow(*given: Any, **more: Any) -> store.Push:
        held = await hold(*given, **more)
        if not writers:
            writers.append(asyncio.create_task(push.call("PUT", "project", data=b"{}")))
            await until_locked(push.api.pool)
        return held

    monkeypatch.setattr(store, "hold", slow)
    discarded = await push.call("DELETE")

    assert (discarded.status, (await writers[0]).status) == (204, 404)


async def test_a_request_that_breaks_off_leaves_what_was_there(push: Pusher) -> None:
    await _opened(push)
    await push.put("relations/issues", ISSUES)

    async def broken() -> Any:
        yield b'{"title":"half'
        raise OSError("gone")

    with pytest.raises(ClientError):
        await push.call("PUT", "relations/issues", data=broken())
    await until_row(push.api.pool, "SELECT count(*) <= 1 FROM snapshots")
    await collect(push.api)

    assert (await push.entries())["tree/project/issues.ndjson"]["size"] == len(ISSUES)
    assert await push.api.objects_left() == 2


REFUSED = {
    "relations/a%2Fb": "relation has a slash in it",
    "relations/..": None,
    f"uploads/{SECRET}/..%2Fx": "name has a part that is empty, '.' or '..'",
    f"uploads/{SECRET}/%2Fetc%2Fpasswd": "name is absolute",
    f"uploads/{SECRET}/a%2F%2Fb": "name has a part that is empty, '.' or '..'",
    f"uploads/{SECRET}/a%2F": "name has a part that is empty, '.' or '..'",
    f"uploads/{SECRET}/a%0Ab": "control characters",
    f"uploads/{SECRET}/{'n' * 2600}": "over the limit of 2600 bytes",
    "uploads/a%2Fb/c": "secret has a slash in it",
    "lfs/abc": "oid is not the SHA-256 of an LFS object",
    f"lfs/{OID.upper()}": "oid is not the SHA-256 of an LFS object",
    "snippets/a": "name does not end in .bundle",
    "files/..%2F..%2Fetc%2Fpasswd": "name has a part that is empty, '.' or '..'",
    "files/%2Fetc": "name is absolute",
}


@pytest.mark.parametrize(("path", "reason"), [(p, r) for p, r in REFUSED.items() if r])
async def test_a_name_that_no_archive_may_have_is_refused(push: Pusher, path: str, reason: str) -> None:
    await _opened(push)

    answer = await push.call("PUT", path, data=b"x")

    assert (answer.status, reason in detail(answer)) == (422, True), detail(answer)
    assert await push.entries() == {}


UNUSABLE = {
    "repository": (b"no bundle", "project.bundle"),
    "wiki": (bundle()[:-1], "its pack is cut off or damaged"),
    "snippets/a.bundle": (b"no bundle", "snippets/a.bundle"),
    f"lfs/{OID}": (b"another object", f"LFS object {OID} has the SHA-256"),
    "lfs": (b'{"a":1}', "its values are not lists"),
    "project": (b"[]", "tree/project.json"),
    "files/tree%2Fproject.json": (b'{"a":', "tree/project.json"),
    "files/VERSION": (b"0.1.0", "Import version mismatch: Required 0.2.4 but was 0.1.0"),
}


@pytest.mark.parametrize("path", UNUSABLE)
async def test_what_an_import_would_not_take_is_refused_and_what_was_there_stays(
    push: Pusher, path: str
) -> None:
    await _opened(push)
    data, reason = UNUSABLE[path]

    answer = await push.call("PUT", path, data=data)

    assert (answer.status, reason in detail(answer)) == (422, True), detail(answer)
    assert await push.entries() == {}
    await collect(push.api)
    assert await push.api.objects_left() == 0


@pytest.mark.parametrize(
    "api", [{"places": PlaceNumbers(rules=PlaceRules(patience=timedelta(0)))}], indirect=True
)
async def test_two_documents_are_held_at_once_and_other_content_needs_no_place(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _opened(push)
    for name in ("bob", "eve"):
        await push.api.member(name, push.project, AccessLevel.MAINTAINER)
    await push.put("project", b"{}")
    await push.put("lfs", b"{}")
    begun, end = asyncio.Semaphore(0), asyncio.Event()
    write_part = parts.write_part

    @asynccontextmanager
    async def noted(*given: Any) -> AsyncIterator[Part]:
        async with write_part(*given) as part:
            begun.release()
            yield part

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await end.wait()
        yield b"}"

    monkeypatch.setattr(push_content, "write_part", noted)
    held = [
        asyncio.create_task(push.call("PUT", path, by=by, data=body()))
        for path, by in (("project", None), ("lfs", "bob"))
    ]
    async with asyncio.timeout(20):
        for _ in held:
            await begun.acquire()
    documents = ("project", "lfs", "files/tree%2Fproject.json")
    refused = [await push.call("PUT", path, data=b"{}") for path in documents] + [await push.commit()]
    full = await push.call("PUT", "project", by="eve", data=b"{}")
    await push.put("relations/issues", ISSUES)
    end.set()

    assert [(answer.status, answer.headers.get("Retry-After")) for answer in refused] == [(429, "10")] * 4
    assert (full.status, full.headers.get("RateLimit-Name")) == (503, "documents")
    assert [(await each).status for each in held] == [200, 200]
    assert (await push.commit()).status == 200


async def test_a_name_cannot_be_a_file_and_a_folder(push: Pusher) -> None:
    await _opened(push)
    await push.put(f"uploads/{SECRET}/a", b"x")
    below = await push.call("PUT", f"uploads/{SECRET}/a%2Fb", data=b"x")
    await push.put(f"uploads/{SECRET}/c%2Fd", b"x")
    above = await push.call("PUT", f"uploads/{SECRET}/c", data=b"x")

    for answer in (below, above):
        assert (answer.status, "the name is a file and a directory" in detail(answer)) == (422, True)
    assert len(await push.entries()) == 2


@pytest.mark.parametrize(
    ("limits", "path", "data", "status", "reason"),
    [
        (Limits(entries=1), "relations/labels", b"", 422, "is over the limit of 1 entries"),
        (Limits(decompressed=60), "relations/labels", ndjson(b'{"title":"long"}'), 413, "limit of 60 bytes"),
        (Limits(decompressed=60), f"uploads/{SECRET}/a", b"x" * 100, 413, "over the limit of 60 bytes"),
    ],
)
async def test_the_limits_of_imports_hold_for_a_snapshot(
    push: Pusher, monkeypatch: pytest.MonkeyPatch, limits: Limits, path: str, data: bytes, status: int,
    reason: str,
) -> None:  # fmt: skip
    await _opened(push)
    await push.put("relations/issues", ISSUES)

    async def now(*_: Any, **__: Any) -> Limits:
        return limits

    monkeypatch.setattr(push.api.uses.pushes._content, "_limits", now)
    answer = await push.call("PUT", path, data=data)

    assert (answer.status, reason in detail(answer)) == (status, True), detail(answer)
    await push.put("relations/issues", ISSUES)  # again is not more
    assert list(await push.entries()) == ["tree/project/issues.ndjson"]


@pytest.mark.parametrize(
    ("path", "line", "reason"),
    [
        ("relations/labels", b"\n", "lines"),
        ("relations/labels", b"{}\n", "lines"),
        ("relations/labels", b"[" * 500 + b"\n", "brackets"),
        ("project", b" ", "parsed bytes"),
        (f"uploads/{SECRET}/a", bytes(100), "bytes"),
    ],
    ids=["blank lines", "empty objects", "brackets", "spaces", "zeros"],
)
async def test_a_body_is_not_more_work_than_its_bytes_pay_for(
    push: Pusher, monkeypatch: pytest.MonkeyPatch, path: str, line: bytes, reason: str
) -> None:
    async def now(*_: Any, **__: Any) -> Limits:
        return Limits(prices=Prices(gift=16 * 4000, ratio=500 if reason == "bytes" else 10**9))

    monkeypatch.setattr(push.api.uses.pushes._content, "_limits", now)
    await _opened(push)
    data = line * (2**24 // len(line))
    answer = await push.call("PUT", path, data=gzip.compress(data), headers={"Content-Encoding": "gzip"})

    assert answer.status == 422
    assert f" {reason}: all so far count as" in detail(answer)
    assert await push.entries() == {}


async def test_gzip_in_gzip_is_paid_for_by_what_was_sent(push: Pusher) -> None:
    await _opened(push)
    twice = gzip.compress(gzip.compress(b'{"title":"t"}\n' * 2_000_000))
    answer = await push.call("PUT", "relations/labels", data=twice, headers={"Content-Encoding": "gzip"})

    assert answer.status == 422
    assert f"of which {len(twice)} were sent" in detail(answer)


async def test_a_body_that_is_not_compressed_pays_for_itself(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def now(*_: Any, **__: Any) -> Limits:
        return Limits(prices=Prices(gift=16 * 100))

    monkeypatch.setattr(push.api.uses.pushes._content, "_limits", now)
    await _opened(push)
    answer = await push.put("relations/labels", b'{"title":"t"}\n' * 20_000)

    assert answer.status == 200


async def test_lines_and_nesting_over_the_limit_are_left_out(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def now(*_: Any, **__: Any) -> Limits:
        return Limits(line=100, depth=3)

    monkeypatch.setattr(push.api.uses.pushes._content, "_limits", now)
    await _opened(push)
    answer = await push.put("relations/issues", ndjson(b'{"title":"%s"}' % (b"x" * 100), b'{"a":[[[[]]]]}'))

    told = [each["exception_message"] for each in answer.body["failures"]]
    assert [("limit of 100 bytes" in told[0]), ("limit 3" in told[1])] == [True, True]


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_a_body_has_the_size_of_an_import_at_most(push: Pusher) -> None:
    await _opened(push)
    large = bytes(1024 * 1024 + 1)
    told = await push.call("PUT", f"uploads/{SECRET}/a", data=BytesIO(large))
    streamed = await push.call(
        "PUT", f"uploads/{SECRET}/a", data=gzip.compress(large), headers={"Content-Encoding": "gzip"}
    )

    unsaid = await push.call("PUT", "relations/issues", data=gzip.compress(large))

    assert (told.status, streamed.status, unsaid.status) == (413, 413, 413)
    assert await push.entries() == {}


async def test_too_many_bad_lines_are_an_error(push: Pusher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.restore.failures.FAILURE_LIMIT", 10)
    await _opened(push)

    answer = await push.call("PUT", "relations/issues", data=b"x\n" * 11)

    assert (answer.status, "failed records" in detail(answer)) == (422, True)


@pytest.mark.parametrize(
    ("level", "status"),
    [(AccessLevel.MAINTAINER, 201), (AccessLevel.DEVELOPER, 403), (AccessLevel.NONE, 404)],
)
async def test_snapshots_are_for_maintainers(api: Api, push: Pusher, level: AccessLevel, status: int) -> None:
    if level:
        await api.member("bob", push.project, level)
    else:
        await api.user("bob")

    assert (await api.call("POST", push.above, by="bob")).status == status
    await _opened(push)
    expected = 200 if status == 201 else status
    assert (await push.call("PUT", "project", by="bob", data=b"{}")).status == expected
    assert (await push.call("GET", "entries", by="bob")).status == expected
    assert (await api.call("POST", push.above)).status == 401


async def test_a_snapshot_is_found_in_its_own_project_only(api: Api, push: Pusher) -> None:
    await _opened(push)
    other = Pusher(api, await api.project(push.user, "other"), push.user, push.snapshot)

    assert (await other.call("GET")).status == 404
    assert (await other.call("PUT", "project", data=b"{}")).status == 404
    other.snapshot = 10**30
    assert (await other.call("GET")).status == 404


async def test_a_project_has_so_many_open_snapshots_at_most(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_OPEN", 2)
    assert [(await push.open()).status for _ in range(3)] == [201, 201, 409]


async def test_a_project_that_is_being_imported_takes_no_snapshot(api: Api, push: Pusher) -> None:
    await api.job(push.project, push.user, ImportOrder())

    answer = await push.open()

    assert (answer.status, detail(answer)) == (409, "the import of the project has not ended")


async def test_what_a_snapshot_starts_from_has_to_be_known(push: Pusher) -> None:
    answer = await push.open(**{"from": "elsewhere"})

    assert (answer.status, detail(answer)) == (400, "from does not have a valid value")


async def test_the_attributes_that_were_sent_are_the_projects_own(api: Api, push: Pusher) -> None:
    await api.call("PUT", f"/api/v4/projects/{push.project.id}", by=push.user.username,
                   json={"description": "older", "visibility": "internal"})  # fmt: skip
    await push.pushed(project=b'{"description":"newer","visibility_level":20}')

    shown = (await api.get(f"/projects/{push.project.id}", by=push.user.username)).body

    assert (shown["description"], shown["visibility"]) == ("newer", "public")
    assert json.loads((await push.exported())["tree/project.json"])["description"] == "newer"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b'{"description":null}', None),
        (b"{}", None),
        (b'{"description":""}', ""),
        (b'{"description":7}', None),
    ],
)
async def test_a_description_that_was_not_sent_is_none(
    api: Api, push: Pusher, sent: bytes, shown: str | None
) -> None:
    await push.pushed(project=b'{"description":"older"}')
    await push.pushed(project=sent)

    assert (await api.get(f"/projects/{push.project.id}", by=push.user.username)).body["description"] == shown
    assert (await push.exported())["tree/project.json"] == sent


async def test_a_description_with_a_nul_is_kept_as_an_import_keeps_it(api: Api, push: Pusher) -> None:
    sent = b'{"description":"a\\u0000b"}'
    await push.pushed(project=sent)

    assert (await api.get(f"/projects/{push.project.id}", by=push.user.username)).body["description"] == "ab"
    assert (await push.exported())["tree/project.json"] == sent


async def test_who_sees_a_project_is_not_for_maintainers_to_say(api: Api, push: Pusher) -> None:
    push.user = await api.member("bob", push.project, AccessLevel.MAINTAINER)
    await push.pushed(project=b'{"visibility_level":20}')

    shown = (await api.get(f"/projects/{push.project.id}", by="bob")).body

    assert shown["visibility"] == "private"


async def test_what_is_overridden_stays_where_no_attributes_are_sent(api: Api, push: Pusher) -> None:
    await push.pushed(project=b'{"description":"older"}')
    await api.call(
        "PUT", f"/api/v4/projects/{push.project.id}", by=push.user.username, json={"description": "newer"}
    )
    await _opened(push, **{"from": "current"})
    await push.put("relations/issues", ISSUES)
    await push.commit()

    assert json.loads((await push.exported())["tree/project.json"]) == {"description": "newer"}


async def test_a_relation_of_many_segments_is_kept_in_batches_and_replaced_whole(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.snapshots.sinks.SEGMENT_SIZE", 20)
    monkeypatch.setattr("shared.snapshots.rows._BATCH", 3)
    await _opened(push)
    lines = ndjson(*(b'{"title":"%05d"}' % n for n in range(50)))
    await push.put("relations/issues", lines[:100])
    await push.put("relations/issues", lines)
    await push.put("project", b"{}")
    await push.commit()

    assert await push.api.pool.fetchval("SELECT count(*) FROM segments") == 50
    assert (await push.exported())["tree/project/issues.ndjson"] == lines


async def test_a_project_that_is_deleted_takes_its_snapshots_along(api: Api, push: Pusher) -> None:
    await _opened(push)
    await push.put("project", b"{}")
    await api.pool.execute("DELETE FROM projects")
    await collect(api)

    assert await api.objects_left() == 0
    assert (await push.commit()).status == 404
