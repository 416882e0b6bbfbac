"""Archives that are pushed into an open snapshot: many small files by one request."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError
from asyncpg.connection import LoggedQuery

from services.api.http.places import PlaceNumbers
from services.cli.small_files import MOST_FILES, FileArchive
from services.cli.tree import TreeFile
from shared.admission import Holder, PlaceRules
from shared.archive.limits import Limits, Prices
from shared.usecases.push_content import PushRules
from tests.support.api import Answer, Api
from tests.support.archives import file, packed
from tests.support.counting import CountingStore
from tests.support.projects import Dock, archive, files, ndjson
from tests.support.projects import project as project_archive
from tests.support.snapshots import Pusher, collect, detail, pusher
from tests.support.waiting import until_row

ISSUES = ndjson(b'{"title":"one","iid":1}', b'{"title":"two","iid":2}')
OBJECT = b"an object"
OID = hashlib.sha256(OBJECT).hexdigest()
SMALL = [(f"uploads/{n * 7 % 900:03}/f", b"%d" % n * (1 + n % 9)) for n in range(900)]
MIXED = {
    "VERSION": b"0.2.4",
    "uploads/": b"",
    "uploads/b": b"b",
    "uploads/a": b"a" * 600,
    "tree/project.json": b'{"description":"d"}',
    "uploads/empty": b"",
    "uploads/c/": b"",
    "uploads/c/1": b"c",
    "tree/project/issues.ndjson": ISSUES,
    "uploads/large": bytes(range(256)) * 40,
    "uploads/" + "n" * 200: b"long",
    f"lfs-objects/{OID}": OBJECT,
    "lfs-objects.json": b'{"%s":[0]}' % OID.encode(),
}
RULES = PushRules(packed_up_to=1024, most_entries=2000)


@pytest.fixture
async def push(api: Api) -> Pusher:
    push = await pusher(api)
    api.uses.pushes._content._rules = RULES
    assert (await push.open()).status == 201
    return push


async def _send(push: Pusher, *entries: tuple[str, bytes]) -> Answer:
    return await push.call("PUT", "entries", data=archive(entries))


async def _sent(push: Pusher, *entries: tuple[str, bytes]) -> Answer:
    answer = await _send(push, *entries)
    assert answer.status == 200, answer
    return answer


async def _left(push: Pusher) -> tuple[int, int]:
    """The packs and the other objects that are left."""
    await collect(push.api)
    packs = await push.api.pool.fetchval("SELECT count(*) FROM objects WHERE kind = 'pack'")
    return packs, await push.api.pool.fetchval("SELECT count(*) FROM objects") - packs


async def _runs(push: Pusher) -> int:
    count: int = await push.api.pool.fetchval("SELECT count(*) FROM runs")
    return count


@contextmanager
def _statements(push: Pusher) -> Iterator[list[str]]:
    found: list[str] = []

    def note(query: LoggedQuery) -> None:
        if not any(word in query.query for word in ("pg_advisory_unlock_all", "typeinfo", "jit", "RESET")):
            found.append(query.query)

    holders = [holder._con for holder in push.api.pool._holders if holder._con]  # type: ignore[attr-defined]  # all of it
    for connection in holders:
        connection.add_query_logger(note)
    yield found
    for connection in holders:
        connection.remove_query_logger(note)


async def test_what_an_archive_has_is_exported_as_it_was_sent(push: Pusher) -> None:
    answer = await _sent(push, *MIXED.items())
    shown = (await push.call("GET")).body
    assert (await push.commit()).status == 200
    size = sum(map(len, MIXED.values()))
    assert answer.body == {"entries": len(MIXED), "bytes": size, "failed_lines": 0, "failures": []}
    assert (shown["entries"], shown["bytes"]) == (len(MIXED), size)
    assert await push.exported() == MIXED | {"./": b""}
    api = push.api
    assert (await api.get(f"/projects/{push.project.id}", by=push.user.username)).body["description"] == "d"


async def test_many_small_files_are_one_object_and_one_run_that_one_request_reads(push: Pusher) -> None:
    await push.put("project", b"{}")
    await _sent(push, *SMALL)
    assert await _left(push) == (1, 1)
    await push.commit()
    dock, store = Dock(push.api.pool, push.api.folder), CountingStore(push.api.folder)
    dock.store = store
    exported = files(await dock.run_export(project_id=push.project.id, user_id=push.user.id))
    assert exported.items() >= dict(SMALL).items()
    assert await _runs(push) == 1
    assert len([key for key, *_ in store.reads if key.startswith("packs/")]) == 1


async def test_statements_do_not_grow_with_the_number_of_files(push: Pusher) -> None:
    counts = []
    await _sent(push, *SMALL)  # what is asked once on each connection
    for number in (150, 800):
        with _statements(push) as statements:
            await _sent(push, *SMALL[:number])
        counts.append(len(statements))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("how", ["put", "archive", "delete"])
async def test_what_is_replaced_in_a_pack_is_in_no_archive(push: Pusher, how: str) -> None:
    await push.put("project", b"{}")
    await _sent(push, *SMALL[:40])
    await _sent(push, *SMALL[40:80])
    expected, name = dict(SMALL[:80]), SMALL[7][0]
    if how == "put":
        await push.put(f"files/{name.replace('/', '%2F')}", b"new")
        expected[name] = b"new"
    elif how == "archive":
        await _sent(push, (name, b"newer"), SMALL[50])
        expected[name] = b"newer"
    else:
        assert (await push.call("DELETE", f"files/{name.replace('/', '%2F')}")).status == 204
        del expected[name]
    shown = (await push.call("GET")).body
    await push.commit()
    exported = await push.exported()
    assert {name: data for name, data in exported.items() if name.startswith("uploads")} == expected
    assert (shown["entries"], shown["bytes"]) == (len(expected) + 1, sum(map(len, expected.values())) + 2)
    # The other request's stretch is as it was, but where something of it was sent again, too.
    assert (await _runs(push) < 60) == (how != "archive")


async def test_an_archive_may_be_sent_again(push: Pusher) -> None:
    await push.put("project", b"{}")
    for _ in range(3):
        await _sent(push, *SMALL[:30])
    assert (await push.call("GET")).body["entries"] == 31
    assert await _left(push) == (1, 1)
    assert await push.api.pool.fetchval("SELECT count(*) FROM packed_files") == 1
    await push.commit()
    assert (await push.exported()).items() >= dict(SMALL[:30]).items()


async def test_what_was_pushed_may_be_pushed_on(push: Pusher) -> None:
    await push.put("project", b"{}")
    await _sent(push, *SMALL[:30])
    await push.commit()
    await push.open(**{"from": "current"})
    await _sent(push, ("uploads/more", b"more"))
    await push.commit()
    await collect(push.api)
    assert (await push.exported()).items() >= (dict(SMALL[:30]) | {"uploads/more": b"more"}).items()
    assert await _runs(push) == 2


async def test_of_files_with_one_name_in_an_archive_the_last_counts(push: Pusher) -> None:
    await push.put("project", b"{}")
    name, first = SMALL[0]
    answer = await push.call("PUT", "entries", data=archive([*SMALL[:3], (name, first + b"last"), SMALL[3]]))
    assert (answer.status, answer.body["entries"]) == (200, 4)
    await push.commit()
    assert (await push.exported()).items() >= (dict(SMALL[:4]) | {name: first + b"last"}).items()


BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "a digest that is not that of the name": (
        lambda: archive([*SMALL[:3], (f"lfs-objects/{OID}", b"another"), *SMALL[3:6]]), "has the SHA-256",
    ),
    "a bundle that is none": (
        lambda: archive([*SMALL[:3], ("project.bundle", b"x" * 2000)]), "project.bundle",
    ),
    "no project": (lambda: archive([*SMALL[:3], ("tree/project.json", b"[]")]), "tree/project.json"),
    "another version": (lambda: archive([*SMALL[:3], ("VERSION", b"0.1.0")]), "Import version mismatch"),
    "cut short": (lambda: archive(SMALL[:30])[:-3000], "cut short"),
    "a name that cannot be kept": (lambda: packed(file("a\nb", b"x")), "names with control characters"),
    "a name outside": (lambda: packed(file("../x", b"x")), "../x"),
    "too many": (lambda: archive([(f"uploads/{n}", b"") for n in range(2000)]), "limit of 2000 entries"),
    "no archive": (lambda: b"no archive", "not a gzip file"),
    "nothing": (lambda: b"", "the archive is empty"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
async def test_of_an_archive_with_something_unusable_nothing_is_kept(push: Pusher, what: str) -> None:
    await _sent(push, *SMALL[:5])
    before = await push.entries()
    data, reason = BROKEN[what]
    answer = await push.call("PUT", "entries", data=data())
    assert (answer.status, reason in detail(answer)) == (422, True), detail(answer)
    assert await push.entries() == before
    assert await _left(push) == (1, 0)


async def test_of_an_archive_that_breaks_off_nothing_is_kept(push: Pusher) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield archive(SMALL)[:20_000]
        raise OSError("gone")

    with pytest.raises(ClientError):
        await push.call("PUT", "entries", data=broken())
    await until_row(push.api.pool, "SELECT count(*) <= 1 FROM snapshots")
    assert await push.entries() == {}
    assert await _left(push) == (0, 0)


async def test_an_archive_of_nothing_but_its_root_changes_nothing(push: Pusher) -> None:
    assert (await _sent(push, ("", b""))).body["entries"] == 0
    assert await push.api.pool.fetchval("SELECT count(*) FROM snapshots") == 1


async def test_a_name_cannot_be_a_file_and_a_folder(push: Pusher) -> None:
    await _sent(push, ("uploads/a", b"x"), ("uploads/c/d", b"x"), ("uploads/e/", b""), ("uploads/e/f/", b""))
    for clashing in ("uploads/a/b/c", "uploads/a/", "uploads/c"):
        answer = await _send(push, ("uploads/z", b"z"), (clashing, b""))
        assert (answer.status, "the name is a file and a directory" in detail(answer)) == (422, True)
    assert len(await push.entries()) == 4
    await _sent(push, ("uploads/e", b"in place of empty folders"))
    assert set(await push.entries()) == {"uploads/a", "uploads/c/d", "uploads/e"}
    assert (await push.call("GET")).body["entries"] == 3


async def test_bad_lines_are_left_out_and_told_with_their_relation(push: Pusher) -> None:
    labels = ("tree/project/labels.ndjson", b"no json\n")
    answer = await _sent(push, ("tree/project/issues.ndjson", ISSUES + b"bad\n"), labels)
    told = [(each["relation"], each["line_number"]) for each in answer.body["failures"]]
    assert (answer.body["failed_lines"], told) == (2, [("issues", 2), ("labels", 0)])


async def test_the_entries_of_all_requests_together_are_limited(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def now(*_: Any, **__: Any) -> Limits:
        return Limits(entries=20, decompressed=20_000)

    monkeypatch.setattr(push.api.uses.pushes._content, "_limits", now)
    await _sent(push, *((f"uploads/{n}", b"x") for n in range(12)))
    many = await _send(push, *((f"uploads/more{n}", b"x") for n in range(9)))
    await _sent(push, ("uploads/0", bytes(10_000)))
    large = await _send(push, ("uploads/l", bytes(10_000)))
    assert (many.status, "limit of 20 entries" in detail(many)) == (422, True)
    assert (large.status, "limit of 20000 bytes" in detail(large)) == (413, True)
    assert len(await push.entries()) == 12


async def test_an_archive_is_not_more_work_than_its_bytes_pay_for(
    push: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def now(*_: Any, **__: Any) -> Limits:
        return Limits(prices=Prices(gift=16 * 100))

    monkeypatch.setattr(push.api.uses.pushes._content, "_limits", now)
    squeezed = gzip.compress(gzip.decompress(archive(SMALL)), 9)
    answer = await push.call("PUT", "entries", data=squeezed)
    twice = await push.call(
        "PUT", "entries", data=gzip.compress(squeezed), headers={"Content-Encoding": "gzip"}
    )
    assert (answer.status, "entries: all so far count as" in detail(answer)) == (422, True)
    assert (twice.status, "no encoding" in detail(twice)) == (415, True)


@pytest.mark.parametrize(
    "api", [{"places": PlaceNumbers(rules=PlaceRules(patience=timedelta(0)))}], indirect=True
)
async def test_a_document_in_an_archive_needs_a_place(push: Pusher) -> None:
    documents = push.api.uses.pushes._content._documents
    async with documents.hold(Holder.of_user(push.user.id)):
        assert (await _send(push, *SMALL[:3])).status == 200
        assert (await _send(push, ("tree/project.json", b"{}"))).status == 429
    await _sent(push, ("tree/project.json", b"{}"), ("lfs-objects.json", b"{}"))
    assert (await push.commit()).status == 200


async def test_a_full_archive_of_the_command_line_is_paid_for(push: Pusher, tmp_path: Path) -> None:
    push.api.uses.pushes._content._rules = PushRules()
    (tmp_path / "file").write_bytes(b"the same in all of them")
    names = [f"uploads/{number:032}/file" for number in range(MOST_FILES)]
    sent = FileArchive([TreeFile(name, tmp_path / "file", 23) for name in names], lambda _: None)
    answer = await push.call("PUT", "entries", data=sent)
    assert (answer.status, answer.body["entries"]) == (200, MOST_FILES)


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_an_archive_has_the_size_of_an_import_at_most(push: Pusher) -> None:
    answer = await push.call("PUT", "entries", data=BytesIO(archive([("uploads/a", bytes(1024 * 1024))])))
    assert answer.status == 413


async def test_a_committed_snapshot_does_not_change(push: Pusher) -> None:
    await push.put("project", b"{}")
    await push.commit()
    refused = await _send(push, *SMALL[:3])
    assert (refused.status, "is committed" in detail(refused)) == (409, True)


async def test_a_relation_is_imported_into_what_was_pushed(push: Pusher) -> None:
    await push.put("project", b"{}")
    await _sent(push, *SMALL[:30])
    await push.commit()
    dock = Dock(push.api.pool, push.api.folder)
    job = await dock.order_relation(project_archive(issues=ISSUES))
    await push.api.pool.execute("UPDATE jobs SET project_id = $1 WHERE id = $2", push.project.id, job.id)
    assert (await dock.attempt(job)).error is None
    exported = await push.exported()
    assert exported.items() >= dict(SMALL[:30]).items()
    assert json.loads(exported["tree/project/issues.ndjson"].splitlines()[0])["iid"] == 1
    assert await _runs(push) < 6
