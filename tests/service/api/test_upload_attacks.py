"""Uploads by clients that lie, race, repeat, or ask for what is not theirs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.api.http.places import PlaceNumbers
from shared.admission import PlaceRules
from shared.jobs import store as jobs
from shared.settings.environment import MIB
from shared.uploads import writing
from shared.uploads.expiry import UploadExpiry
from tests.support.api import Answer, Api, running_api
from tests.support.projects import Dock, project
from tests.support.tus import UPLOADS, content, created, hanging, offset, patched, tus, uploaded
from tests.support.upload_drafts import appended, asked, written
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("ann")
ARCHIVE = Random(5).randbytes(64 * 1024)  # noqa: S311  # the same every time
PACKED = project()
IMPORTS = "/api/crossdock/v1/imports"
GONE = "UPDATE uploads SET expires_at = now()"


async def _import(api: Api, number: int, path: str = "moved") -> Answer:
    return await api.call("POST", IMPORTS, by="ann", json={"upload_id": number, "path": path})


async def _sends(api: Api, number: int, random: Random) -> None:
    """A client that goes on where it is told, by either protocol, until there is no more."""
    while True:
        told = await tus(api, "HEAD", f"/{number}")
        assert told.status in (200, 423)
        begin = int(told.headers.get("Upload-Offset", 0))
        if begin == len(ARCHIVE):
            return
        piece = ARCHIVE[begin : begin + random.randrange(1, 16 * 1024)]
        send = _by_tus if random.random() < 0.5 else _by_draft
        assert (await send(api, number, piece, begin)).status in (201, 204, 409, 423)


async def _by_tus(api: Api, number: int, piece: bytes, begin: int) -> Answer:
    return await patched(api, number, piece, offset=begin)


async def _by_draft(api: Api, number: int, piece: bytes, begin: int) -> Answer:
    return await appended(api, "6", number, piece, offset=begin)


@pytest.mark.parametrize("seed", [1, 2])
async def test_clients_that_send_the_same_upload_leave_each_byte_once(
    api: Api, database_url: str, tmp_path: Path, seed: int
) -> None:
    number = await created(api, len(ARCHIVE))

    async with running_api(database_url, tmp_path / "objects") as other:
        other.tokens = api.tokens
        clients = [_sends(each, number, Random(seed + at)) for at, each in enumerate((api, other, api))]  # noqa: S311
        async with asyncio.timeout(60):
            await asyncio.gather(*clients)

    assert b"".join(await content(api, number)) == ARCHIVE
    assert await api.pool.fetchval("SELECT sum(size) FROM upload_pieces") == len(ARCHIVE)


async def test_an_upload_is_imported_once_however_many_ask_at_once(api: Api) -> None:
    number = await uploaded(api, PACKED)

    answers = await asyncio.gather(*(_import(api, number, f"p{each}") for each in range(5)))

    assert min(each.status for each in answers) == 201
    assert {each.status for each in answers} <= {201, 404, 423}
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 1
    assert await api.pool.fetchval("SELECT count(*) FROM projects") == 1


async def test_an_upload_that_is_imported_is_neither_deleted_nor_written_nor_past_its_time(api: Api) -> None:
    number = await uploaded(api, PACKED[:9], PACKED[9:])
    answer = await _import(api, number)

    for refused in (
        await tus(api, "DELETE", f"/{number}"),
        await patched(api, number, b"x", offset=len(PACKED)),
        await asked(api, "6", "DELETE", f"/{number}"),
        await tus(api, "POST", Upload_Concat=f"final;{UPLOADS}/{number}"),
    ):
        assert refused.status == 404
    await api.pool.execute(GONE)
    assert await UploadExpiry(api.pool).remove_uploads() == 0

    job = await jobs.find(api.pool, int(answer.headers["X-Crossdock-Job"]))
    assert job is not None
    assert (await Dock(api.pool, api.folder).attempt(job)).error is None


async def test_an_import_and_a_deletion_at_once_have_one_winner(api: Api) -> None:
    for each in range(5):
        number = await uploaded(api, PACKED)
        removed, imported = await asyncio.gather(
            tus(api, "DELETE", f"/{number}"), _import(api, number, f"p{each}")
        )
        assert (removed.status == 204) + (imported.status == 201) <= 1
        assert {removed.status, imported.status} <= {201, 204, 404, 423}


async def test_an_upload_without_a_byte_is_an_archive_that_is_none(api: Api) -> None:
    answer = await _import(api, await created(api, 0))
    job = await jobs.find(api.pool, int(answer.headers["X-Crossdock-Job"]))
    assert job is not None

    done = await Dock(api.pool, api.folder).attempt(job)

    assert (done.error or "").endswith("the archive is empty")


async def test_requests_without_a_byte_leave_nothing(api: Api) -> None:
    number = await created(api)

    for _ in range(5):
        assert (await patched(api, number, b"", offset=0)).status == 204

    assert await api.objects_left() == 0


async def test_an_upload_of_tiny_pieces_has_a_bounded_number_of_them(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_PIECES", 20)
    monkeypatch.setattr(writing, "JOINED_AT_ONCE", 5)
    number = await created(api, 100)

    for at in range(100):
        assert (await patched(api, number, bytes([at]), offset=at)).status == 204
        assert await api.pool.fetchval("SELECT count(*) FROM upload_pieces") <= 20

    assert b"".join(await content(api, number)) == bytes(range(100))


async def test_uploads_that_are_made_of_others_are_parts_of_none(api: Api) -> None:
    part = await uploaded(api, b"x")
    partial = await created(api, 1, Upload_Concat="partial")
    await patched(api, partial, b"x", offset=0)
    final = await tus(api, "POST", Upload_Concat=f"final;{UPLOADS}/{partial} {UPLOADS}/{partial}")

    whole = await tus(api, "POST", Upload_Concat=f"final;{UPLOADS}/{part}")
    nested = await tus(api, "POST", Upload_Concat=f"final;{final.headers['Location']}")

    assert (final.status, whole.status, nested.status) == (201, 400, 400)


async def test_nobody_joins_parts_of_others(api: Api) -> None:
    await api.user("bob")
    part = await created(api, 0, Upload_Concat="partial")

    assert (await tus(api, "POST", Upload_Concat=f"final;{UPLOADS}/{part}", by="bob")).status == 404


LARGEST = 2**63 - 1


@pytest.mark.parametrize("length", [LARGEST, LARGEST + 1, 2**64 - 1, 2**64, 10**30])
@pytest.mark.parametrize(
    "header", ["Content-Length: {}\nUpload-Complete: ?1", "Upload-Length: {}\nUpload-Complete: ?0"]
)
async def test_lengths_that_nothing_has_are_refused_or_taken_and_never_a_fault(
    api: Api, length: int, header: str
) -> None:
    reader, writer = await written(api, f"POST {UPLOADS}\n{header.format(length)}")
    answer = (await reader.readline()).decode()
    writer.close()

    assert answer.split()[1] in ("104", "201", "400", "413"), answer


@pytest.mark.parametrize("more", ["", "Idempotency-Key: k\n"])
@pytest.mark.parametrize(
    "name", ["\udce4", "\udce4\u00e9", "a; filename*=\udce4''\u00e9", "Upload-Metadata: \udce4"]
)
async def test_names_that_are_no_text_are_refused_or_taken_and_never_a_fault(
    api: Api, name: str, more: str
) -> None:
    header = name if ":" in name else f"Content-Disposition: attachment; filename={name}"
    reader, writer = await written(api, f"POST {UPLOADS}\nUpload-Complete: ?0\n{more}{header}")
    answer = (await reader.readline()).decode()
    writer.close()

    assert answer.split()[1] in ("201", "400"), answer


@pytest.mark.parametrize("offset_", [LARGEST, LARGEST + 1, 10**30, -1, "0x1", "\uff11", ""])
async def test_offsets_that_nothing_has_are_refused(api: Api, offset_: Any) -> None:
    number = await created(api)

    by_tus = await patched(api, number, b"x", offset=offset_)
    by_draft = await appended(api, "6", number, b"x", offset=offset_, complete="?1")

    assert {by_tus.status, by_draft.status} <= {400, 409}


async def test_an_upload_stays_for_as_long_as_somebody_writes_to_it(api: Api) -> None:
    number = await created(api)

    async with hanging(api, number, b"x", length=10):
        await api.pool.execute("UPDATE uploads SET expires_at = now() + interval '1 s'")
        await until(lambda: api.pool.fetchval("SELECT expires_at > now() + interval '30 s' FROM uploads"))

    assert await offset(api, number) == 1


async def test_a_creation_whose_bytes_cannot_fit_makes_nothing(api: Api) -> None:
    piece: dict[str, Any] = {"Content_Type": "application/offset+octet-stream", "data": b"12"}

    assert (await tus(api, "POST", Upload_Length=1, **piece)).status == 413
    assert (await asked(api, "6", "POST", Upload_Complete="?0", Upload_Length=1, data=b"12")).status == 400
    assert (await tus(api, "GET")).body == []


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_no_protocol_takes_more_bytes_than_an_import_may_have(api: Api) -> None:
    whole = await asked(api, "6", "POST", Upload_Complete="?1", data=BytesIO(bytes(MIB + 1)))
    deferred = await asked(api, "6", "POST", Upload_Complete="?0")
    number = int(deferred.headers["Location"].rpartition("/")[2])
    last = await appended(api, "6", number, BytesIO(bytes(MIB + 1)), offset=0, complete="?1")
    more = await appended(api, "6", number, BytesIO(bytes(MIB + 1)), offset=0)

    assert [each.status for each in (whole, last, more)] == [413, 413, 413]
    assert await offset(api, number) == 0


@pytest.mark.parametrize(
    "api", [{"places": PlaceNumbers(rules=PlaceRules(patience=timedelta(0)), uploads=1)}], indirect=True
)
async def test_who_makes_an_upload_without_bytes_needs_no_place(api: Api) -> None:
    number = await created(api)

    async with hanging(api, number, b"x", length=10):
        made = await asked(api, "6", "POST", Upload_Complete="?0")
        full = await asked(api, "6", "POST", Upload_Complete="?0", data=b"x")

    assert (made.status, full.status) == (201, 429)
