from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from shared.ledger.collector import Collector
from shared.settings.environment import MIB
from shared.uploads import store, writing
from shared.uploads.expiry import UploadExpiry
from shared.uploads.models import PieceLost, Upload
from shared.usecases.resumable_uploads import ResumableUploads, UploadRules
from tests.support.api import EXTERNAL_URL, Api, running_api
from tests.support.tus import UPLOADS, content, created, hanging, offset, patched, tus
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("ann")
ARCHIVE = b"0123456789"
GONE = "UPDATE uploads SET expires_at = now()"


def _checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {b64encode(hashlib.new(algorithm, data).digest()).decode()}"


async def test_an_upload_comes_in_pieces_each_of_which_is_an_object(api: Api) -> None:
    made = await tus(api, "POST", Upload_Length=10, Upload_Metadata="filename YS50YXIuZ3o=,type")
    number = int(made.headers["Location"].removeprefix(f"{UPLOADS}/"))

    first = await patched(api, number, ARCHIVE[:4], offset=0)
    second = await patched(api, number, ARCHIVE[4:], offset=4)
    told = await tus(api, "HEAD", f"/{number}")

    assert (made.status, first.status, second.status, told.status) == (201, 204, 204, 200)
    assert (first.headers["Upload-Offset"], second.headers["Upload-Offset"]) == ("4", "10")
    assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == ("10", "10")
    assert told.headers["Upload-Metadata"] == "filename YS50YXIuZ3o=,type"
    assert told.headers["Cache-Control"] == "no-store"
    assert {each.headers["Tus-Resumable"] for each in (made, first, told)} == {"1.0.0"}
    assert await content(api, number) == [ARCHIVE[:4], ARCHIVE[4:]]


async def test_anybody_is_told_what_the_server_can_do(api: Api) -> None:
    for path in ("", "/7"):
        answer = await tus(api, "OPTIONS", path, by=None)

        assert (answer.status, answer.headers["Tus-Version"]) == (204, "1.0.0")
        assert "creation" in answer.headers["Tus-Extension"].split(",")
        assert answer.headers["Tus-Checksum-Algorithm"] == "sha256,sha1"


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_an_upload_has_at_most_as_many_bytes_as_an_import(api: Api) -> None:
    largest = await tus(api, "OPTIONS", by=None)
    refused = await tus(api, "POST", Upload_Length=MIB + 1)
    deferred = await tus(api, "POST", Upload_Defer_Length=1)
    number = int(deferred.headers["Location"].rpartition("/")[2])
    over = await patched(api, number, BytesIO(b"x" * (MIB + 1)), offset=0)
    announced = await patched(api, number, b"x", offset=0, Upload_Length=MIB + 1)

    assert largest.headers["Tus-Max-Size"] == str(MIB)
    assert (refused.status, over.status, announced.status) == (413, 413, 413)
    assert await offset(api, number) == 0


async def test_the_address_keeps_the_path_of_the_external_url(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path / "o", external_url=f"{EXTERNAL_URL}/x") as api:
        api.tokens["ann"] = (await _tokens(api))["ann"]
        made = await tus(api, "POST", Upload_Length=1)

    assert made.headers["Location"].startswith(f"/x{UPLOADS}/")


async def _tokens(api: Api) -> dict[str, str]:
    await api.user("bob")
    return {"ann": api.tokens["bob"]}


async def test_bytes_at_another_offset_are_refused_before_they_are_read(api: Api) -> None:
    number = await created(api)
    await patched(api, number, ARCHIVE[:4], offset=0)

    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    writer.write(
        f"PATCH {UPLOADS}/{number} HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {api.tokens['ann']}\r\n"
        "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Length: 10\r\n"
        "Content-Type: application/offset+octet-stream\r\n\r\n".encode()
    )
    answer = await reader.read()  # until the connection ends
    writer.close()

    assert answer.startswith(b"HTTP/1.1 409 ")
    assert await content(api, number) == [ARCHIVE[:4]]


async def test_what_came_before_a_cut_is_kept(api: Api) -> None:
    number = await created(api)

    async with hanging(api, number, ARCHIVE[:7], length=10):
        pass
    await until(lambda: api.pool.fetchval("SELECT received FROM uploads WHERE id = $1", number))

    assert await offset(api, number) == 7
    assert (await patched(api, number, ARCHIVE[7:], offset=7)).status == 204
    assert b"".join(await content(api, number)) == ARCHIVE


async def test_who_comes_back_ends_a_request_that_hangs_and_keeps_what_it_has(api: Api) -> None:
    number = await created(api)

    async with hanging(api, number, ARCHIVE[:7], length=10) as (reader, _):
        assert await offset(api, number) == 7
        assert (await reader.readline()).startswith(b"HTTP/1.1 423 ")
    async with hanging(api, number, ARCHIVE[7:8], begin=7, length=3):
        again = await patched(api, number, ARCHIVE[7:], offset=7)

    assert again.status == 409
    assert await offset(api, number) == 8


async def test_a_request_that_hangs_at_another_process_is_ended_too(
    api: Api, database_url: str, tmp_path: Path
) -> None:
    number = await created(api)

    async with running_api(database_url, tmp_path / "objects") as other:
        other.tokens = api.tokens
        async with hanging(other, number, ARCHIVE[:7], length=10):
            assert await offset(api, number) == 7


async def test_head_waits_for_a_writer_that_does_not_end_no_longer_than_that(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await created(api)
    monkeypatch.setattr("shared.usecases.resumable_uploads._PATIENCE", timedelta(seconds=0.2))
    await api.pool.execute("UPDATE uploads SET writer = 0, writer_seen_at = now() WHERE id = $1", number)

    assert (await tus(api, "HEAD", f"/{number}")).status == 423
    await api.pool.execute("UPDATE uploads SET writer_seen_at = now() - interval '1 min'")  # it died
    assert await offset(api, number) == 0


async def test_a_writer_that_was_taken_for_dead_adds_nothing(api: Api) -> None:
    number = await created(api)
    user_id = await api.pool.fetchval("SELECT user_id FROM uploads")
    frozen = await store.arrive(api.pool, number, user_id=user_id)
    assert isinstance(frozen, Upload)
    assert await store.begin_writing(api.pool, frozen)
    await api.pool.execute("UPDATE uploads SET writer_seen_at = now() - interval '1 min'")
    await patched(api, number, ARCHIVE[:4], offset=0)

    async with api.pool.acquire() as db, db.transaction():
        with pytest.raises(PieceLost):
            await store.add_piece(db, frozen, object_id=1, size=3, kept=timedelta(days=1))


async def test_a_process_that_stops_keeps_what_has_come(api: Api) -> None:
    number = await created(api)

    async with hanging(api, number, ARCHIVE[:7], length=10):
        await api.app.shutdown()
        await until(lambda: api.pool.fetchval("SELECT received FROM uploads WHERE id = $1", number))

    assert await offset(api, number) == 7


async def test_nobody_sees_uploads_of_others(api: Api) -> None:
    number = await created(api)
    await api.user("bob")
    await api.user("root", is_admin=True)

    for other in ("bob", "root"):
        assert (await tus(api, "HEAD", f"/{number}", by=other)).status == 404
        assert (await tus(api, "GET", f"/{number}", by=other)).status == 404
        assert (await tus(api, "DELETE", f"/{number}", by=other)).status == 404
        assert (await patched(api, number, b"x", offset=0, by=other)).status == 404
        assert (await tus(api, "GET", by=other)).body == []


async def test_uploads_are_listed_the_newest_first(api: Api) -> None:
    first, second = [await created(api, Upload_Metadata="filename YS50YXIuZ3o=") for _ in range(2)]
    await patched(api, second, b"x", offset=0)

    listed = (await tus(api, "GET")).body
    page = await tus(api, "GET", "?per_page=1")

    assert [each["id"] for each in listed] == [second, first]
    assert (listed[0]["filename"], listed[0]["length"], listed[0]["offset"]) == ("a.tar.gz", 10, 1)
    assert [each["id"] for each in page.body] == [second]
    assert 'rel="next"' in page.headers["Link"]
    assert (await tus(api, "GET", f"/{second}")).body == listed[0]
    assert (await tus(api, "GET", by=None)).status == 401


async def test_a_token_that_does_not_hold_has_no_client_begin_anew(api: Api) -> None:
    number = await created(api)

    for headers in ({}, {"PRIVATE_TOKEN": "unknown"}):
        answer = await tus(api, "HEAD", f"/{number}", by=None, **headers)
        assert (answer.status, answer.headers["Tus-Resumable"]) == (423, "1.0.0")
    assert (await patched(api, number, b"x", offset=0, by=None)).status == 401


async def test_a_database_that_is_away_has_no_client_begin_anew(api: Api) -> None:
    number = await created(api)
    await api.pool.execute("ALTER TABLE uploads RENAME TO away")
    try:
        answer = await tus(api, "HEAD", f"/{number}")
    finally:
        await api.pool.execute("ALTER TABLE away RENAME TO uploads")

    assert answer.status == 423


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
async def test_bytes_without_their_checksum_are_not_kept(api: Api, algorithm: str) -> None:
    number = await created(api)

    wrong = await patched(api, number, ARCHIVE, offset=0, Upload_Checksum=_checksum(algorithm, ARCHIVE[:-1]))
    assert (wrong.status, await offset(api, number)) == (460, 0)
    right = await patched(api, number, ARCHIVE, offset=0, Upload_Checksum=_checksum(algorithm, ARCHIVE))
    assert (right.status, await offset(api, number)) == (204, 10)


async def test_bytes_with_a_checksum_that_are_cut_are_not_kept(api: Api) -> None:
    number, checksum = await created(api), _checksum("sha1", ARCHIVE)

    async with hanging(api, number, ARCHIVE[:7], length=10, checksum=checksum):
        assert await offset(api, number) == 0


async def test_a_checksum_by_another_algorithm_is_refused(api: Api) -> None:
    number = await created(api)

    for checksum in ("md5 AAAA", "sha256 ?"):
        answer = await patched(api, number, ARCHIVE, offset=0, Upload_Checksum=checksum)
        assert answer.status == 400


async def test_more_bytes_than_announced_are_refused(api: Api) -> None:
    number = await created(api)

    async def more() -> AsyncIterator[bytes]:
        yield ARCHIVE
        yield ARCHIVE

    assert (await patched(api, number, ARCHIVE * 2, offset=0)).status == 413
    assert (await patched(api, number, more(), offset=0)).status == 413
    assert await offset(api, number) == 0
    await patched(api, number, ARCHIVE, offset=0)
    assert (await patched(api, number, b"x", offset=10)).status == 413


async def test_the_length_may_be_announced_later_and_once(api: Api) -> None:
    made = await tus(api, "POST", Upload_Defer_Length=1)
    number = int(made.headers["Location"].rpartition("/")[2])

    await patched(api, number, ARCHIVE[:4], offset=0)
    unknown = await tus(api, "HEAD", f"/{number}")
    below = await patched(api, number, b"", offset=4, Upload_Length=3)
    await patched(api, number, ARCHIVE[4:], offset=4, Upload_Length=10)
    known = await tus(api, "HEAD", f"/{number}")
    other = await patched(api, number, b"", offset=10, Upload_Length=11)

    assert (unknown.headers["Upload-Defer-Length"], known.headers["Upload-Length"]) == ("1", "10")
    assert (below.status, other.status) == (400, 400)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload_Length": "-1"},
        {"Upload_Length": "1", "Upload_Defer_Length": "1"},
        {"Upload_Defer_Length": "2"},
        {"Upload_Length": "1", "Upload_Metadata": "a ?"},
        {"Upload_Length": "1", "Upload_Metadata": "a,a"},
        {"Upload_Length": "1", "Upload_Metadata": f"a {'A' * 4096}"},
        {"Upload_Length": "1", "Upload_Concat": "some"},
        {"Upload_Concat": "final;https://elsewhere.example.com/1"},
    ],
)
async def test_a_creation_without_what_it_needs_is_refused(api: Api, headers: dict[str, str]) -> None:
    assert (await tus(api, "POST", **headers)).status == 400


async def test_empty_metadata_and_first_bytes_may_come_with_the_creation(api: Api) -> None:
    made = await tus(
        api, "POST", Upload_Length=10, Upload_Metadata="", data=ARCHIVE,
        Content_Type="application/offset+octet-stream",
    )  # fmt: skip

    assert (made.status, made.headers["Upload-Offset"]) == (201, "10")


async def test_another_version_of_tus_is_refused(api: Api) -> None:
    answer = await tus(api, "POST", Upload_Length=1, Tus_Resumable="0.2.0")

    assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")


async def test_every_method_may_come_as_a_post(api: Api) -> None:
    number = await created(api)
    piece: dict[str, Any] = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": 0}

    filled = await tus(api, "POST", f"/{number}", X_HTTP_Method_Override="PATCH", data=ARCHIVE, **piece)
    told = await tus(api, "POST", f"/{number}", X_HTTP_Method_Override="HEAD")
    removed = await tus(api, "POST", f"/{number}", X_HTTP_Method_Override="DELETE")
    other = await tus(api, "POST", f"/{number}")

    assert (filled.status, told.status, removed.status, other.status) == (204, 200, 204, 405)
    assert told.headers["Upload-Offset"] == "10"


@pytest.mark.parametrize("external", [f"{EXTERNAL_URL}{UPLOADS}", "", None])
async def test_parts_become_one_upload_by_their_addresses(api: Api, external: str | None) -> None:
    base = f"{str(api.url).rstrip('/')}{UPLOADS}" if external is None else external or UPLOADS
    parts = [await created(api, size, Upload_Concat="partial") for size in (4, 6)]
    for part, data in zip(parts, (ARCHIVE[:4], ARCHIVE[4:]), strict=True):
        await patched(api, part, data, offset=0, Upload_Concat="partial")

    final = "final;" + " ".join(f"{base}/{part}" for part in parts)
    made = await tus(api, "POST", Upload_Concat=final, Upload_Metadata="a YQ==")
    number = int(made.headers["Location"].rpartition("/")[2])

    told = await tus(api, "HEAD", f"/{number}")

    assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == ("10", "10")
    assert told.headers["Upload-Concat"] == "final;" + " ".join(f"{UPLOADS}/{part}" for part in parts)
    assert (await tus(api, "HEAD", f"/{parts[0]}")).headers["Upload-Concat"] == "partial"
    assert await content(api, number) == [ARCHIVE[:4], ARCHIVE[4:]]


async def test_an_upload_that_was_made_of_others_takes_no_bytes(api: Api) -> None:
    number = await _joined(api)

    assert (await patched(api, number, b"", offset=10)).status == 403
    assert (await patched(api, number, b"x", offset=10)).status == 403


async def _joined(api: Api) -> int:
    part = await created(api, Upload_Concat="partial")
    await patched(api, part, ARCHIVE, offset=0)
    made = await tus(api, "POST", Upload_Concat=f"final;{UPLOADS}/{part}")
    return int(made.headers["Location"].rpartition("/")[2])


async def test_a_part_that_goes_while_it_is_joined_leaves_no_upload_with_a_gap(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, insert = await created(api, Upload_Concat="partial"), ResumableUploads.insert
    await patched(api, part, ARCHIVE, offset=0)

    async def remove_first(*args: Any) -> Upload:
        await api.pool.execute("DELETE FROM uploads WHERE id = $1", part)
        return await insert(*args)

    monkeypatch.setattr(ResumableUploads, "insert", remove_first)
    made = await tus(api, "POST", Upload_Concat=f"final;{UPLOADS}/{part}")

    assert (made.status, (await tus(api, "GET")).body) == (423, [])


async def test_an_upload_that_was_made_of_others_outlives_them(api: Api) -> None:
    number = await _joined(api)
    await api.pool.execute("DELETE FROM uploads WHERE parts IS NULL")
    await _collect(api)

    assert await content(api, number) == [ARCHIVE]
    assert (await tus(api, "HEAD", f"/{number}")).headers["Upload-Concat"].startswith("final;")


async def test_parts_that_lack_bytes_become_no_upload(api: Api) -> None:
    part = await created(api, Upload_Concat="partial")

    answer = await tus(api, "POST", Upload_Concat=f"final;{UPLOADS}/{part}")
    too_many = await tus(api, "POST", Upload_Concat=f"final;{f'{UPLOADS}/{part} ' * 21}")

    none = await tus(api, "POST", Upload_Concat="final;")

    assert (answer.status, too_many.status, none.status) == (409, 400, 400)


async def test_a_user_has_so_many_unused_uploads_and_no_more(api: Api) -> None:
    api.uses.resumable_uploads.rules = UploadRules(limit=2)
    first, _ = await created(api), await created(api)

    refused = await tus(api, "POST", Upload_Length=1)
    await tus(api, "DELETE", f"/{first}")

    assert refused.status == 409
    await created(api)


async def test_an_upload_that_is_deleted_leaves_nothing(api: Api) -> None:
    number = await created(api)
    await patched(api, number, ARCHIVE, offset=0)

    removed = await tus(api, "DELETE", f"/{number}")
    await _collect(api)

    assert (removed.status, (await tus(api, "HEAD", f"/{number}")).status) == (204, 404)
    assert await api.objects_left() == 0


async def _collect(api: Api) -> None:
    collector = Collector(api.pool, api.store, grace=timedelta(0))
    await collector.collect_objects()
    await collector.collect_objects()


async def test_objects_of_an_upload_stay_until_its_time_is_over(api: Api) -> None:
    number = await created(api)
    await patched(api, number, ARCHIVE, offset=0)

    await _collect(api)
    assert await UploadExpiry(api.pool).remove_uploads() == 0
    assert await content(api, number) == [ARCHIVE]
    await api.pool.execute(GONE)
    assert (await tus(api, "HEAD", f"/{number}")).status == 404
    assert await UploadExpiry(api.pool).remove_uploads() == 1
    await _collect(api)
    assert await api.objects_left() == 0


async def test_bytes_prolong_the_time_of_an_upload(api: Api) -> None:
    number = await created(api)
    await api.pool.execute("UPDATE uploads SET expires_at = now() + interval '1 min'")

    await patched(api, number, b"x", offset=0)

    assert await api.pool.fetchval("SELECT expires_at > now() + interval '23 h' FROM uploads")


async def test_neighbours_are_joined_where_there_are_many(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_PIECES", 4)
    monkeypatch.setattr(writing, "JOINED_AT_ONCE", 3)
    number = await created(api, 12)

    for at, data in ((0, b"000"), (3, b"1"), (4, b"2"), (5, b"3"), (6, b"444444")):
        await patched(api, number, data, offset=at)

    assert await content(api, number) == [b"000", b"123", b"444444"]


async def test_a_long_body_is_committed_piece_by_piece(api: Api) -> None:
    uploads = api.uses.resumable_uploads
    uploads._pieces = writing.PieceWriter(api.pool, api.store, kept=timedelta(days=1), largest=4)
    number = await created(api)

    async with hanging(api, number, ARCHIVE[:5], length=10):
        await until(lambda: api.pool.fetchval("SELECT received > 0 FROM uploads"))

    assert await offset(api, number) >= 4
