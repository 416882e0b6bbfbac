from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from shared.jobs import store as jobs
from shared.jobs.models import Job
from shared.ledger.collector import Collector
from shared.uploads.expiry import UploadExpiry
from tests.support.api import Answer, Api
from tests.support.interrupted import Interrupted
from tests.support.projects import Dock, project
from tests.support.tus import created, tus, uploaded

pytestmark = pytest.mark.usefixtures("ann")
PACKED = project()
HALF = len(PACKED) // 2
IMPORTS = "/api/crossdock/v1/imports"


async def _import(api: Api, *, by: str | None = "ann", **body: Any) -> Answer:
    return await api.call("POST", IMPORTS, by=by, json={"path": "moved"} | body)


async def _job(api: Api, answer: Answer) -> Job:
    found = await jobs.find(api.pool, int(answer.headers["X-Crossdock-Job"]))
    assert found is not None
    return found


async def _collected(api: Api) -> int:
    """How many uploads there are once nothing more is to be collected."""
    collector = Collector(api.pool, api.store, grace=timedelta(0))
    await UploadExpiry(api.pool).remove_uploads()
    for _ in range(2):
        await collector.collect_objects()
    return len([each async for each in api.store.list("uploads/")])


async def test_an_archive_that_came_in_pieces_is_imported_as_one(api: Api) -> None:
    number = await uploaded(api, PACKED[:7], PACKED[7:HALF], PACKED[HALF:])

    answer = await _import(api, upload_id=number, name="New", override_params={"description": "d"})
    done = await Dock(api.pool, api.folder).attempt(await _job(api, answer))

    assert (answer.status, answer.body["kind"]) == (201, "import")
    assert answer.body["project"]["path_with_namespace"] == "ann/moved"
    assert (answer.body["archive"]["size"], answer.body["archive"]["sha256"]) == (len(PACKED), None)
    assert done.error is None
    shown = await api.call("GET", f"/api/crossdock/v1/jobs/{done.job.id}", by="ann")
    digest = hashlib.sha256(PACKED).hexdigest()
    assert shown.body["archive"] | {"size": len(PACKED), "sha256": digest} == shown.body["archive"]
    assert (await api.get("/projects/ann%2Fmoved", by="ann")).body["description"] == "d"


async def test_a_used_upload_is_there_for_its_job_alone_and_goes_with_its_end(api: Api) -> None:
    number = await uploaded(api, PACKED[:HALF], PACKED[HALF:])
    answer = await _import(api, upload_id=number)

    assert (await tus(api, "HEAD", f"/{number}")).status == 404
    assert (await _import(api, upload_id=number, path="other")).status == 404
    assert (await tus(api, "GET")).body == []
    await api.pool.execute("UPDATE uploads SET expires_at = now() - interval '1 day'")
    assert await _collected(api) == 2
    done = await Dock(api.pool, api.folder).attempt(await _job(api, answer))
    assert (done.error, await _collected(api)) == (None, 0)


async def test_an_import_of_pieces_that_dies_is_done_again(api: Api) -> None:
    dock = Dock(api.pool, api.folder)
    job = await _job(api, await _import(api, upload_id=await uploaded(api, PACKED[:HALF], PACKED[HALF:])))

    async def die() -> None:
        raise asyncio.CancelledError

    good, dock.store = dock.store, Interrupted(dock, die, commits=0)
    with pytest.raises(asyncio.CancelledError):
        await dock.attempt(job)
    dock.store = good
    await api.pool.execute("UPDATE jobs SET state = 'queued', lease_expires_at = NULL")

    assert await _collected(api) > 0
    assert (await dock.attempt(job)).error is None


async def test_a_failed_import_of_pieces_is_retried_from_them(api: Api) -> None:
    job = await _job(api, await _import(api, upload_id=await uploaded(api, PACKED[:HALF], PACKED[HALF:])))
    await api.failed(job, "the store was away")

    assert await _collected(api) == 2
    retried = await api.call("POST", f"/api/crossdock/v1/jobs/{job.id}/retry", by="ann")
    assert retried.status == 201
    assert (await Dock(api.pool, api.folder).attempt(await _job(api, retried))).error is None


async def test_a_failed_import_whose_pieces_are_gone_is_not_retried(api: Api) -> None:
    job = await _job(api, await _import(api, upload_id=await uploaded(api, PACKED)))
    await api.failed(job, "the store was away")
    await api.pool.execute("UPDATE jobs SET finished_at = now() - interval '2 days'")

    assert await _collected(api) == 0
    assert (await api.call("POST", f"/api/crossdock/v1/jobs/{job.id}/retry", by="ann")).status == 422


@pytest.mark.parametrize("api", [{"small_import": len(PACKED)}], indirect=True)
async def test_an_archive_in_pieces_is_small_by_all_its_bytes(api: Api) -> None:
    small = await _import(api, upload_id=await uploaded(api, PACKED[:7], PACKED[7:]))
    large = await _import(api, upload_id=await uploaded(api, PACKED, b"x"), path="large")

    kinds = [(await _job(api, each)).kind for each in (small, large)]
    assert [str(kind.value) for kind in kinds] == ["small_import", "import"]


async def test_an_upload_that_lacks_bytes_is_not_imported(api: Api) -> None:
    answer = await _import(api, upload_id=await created(api))

    assert answer.status == 409
    assert b'"code":"upload_unfinished"' in answer.body


async def test_nobody_imports_uploads_of_others(api: Api) -> None:
    number = await uploaded(api, PACKED)
    await api.user("bob")

    assert (await _import(api, upload_id=number, by="bob")).status == 404
    assert (await _import(api, upload_id=number, by=None)).status == 401


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, b"upload_id is missing"),
        ({"upload_id": "x"}, b"upload_id is invalid"),
        ({"upload_id": 1, "url": "https://x"}, b"upload_id, url are mutually exclusive"),
    ],
)
async def test_an_import_without_its_archive_is_refused(
    api: Api, body: dict[str, Any], detail: bytes
) -> None:
    answer = await _import(api, **body)

    assert answer.status == 400
    assert detail in answer.body


async def test_an_upload_stays_where_its_import_is_refused(api: Api) -> None:
    number = await uploaded(api, PACKED)

    refused = await _import(api, upload_id=number, path="a b")

    assert refused.status == 400
    assert (await tus(api, "HEAD", f"/{number}")).status == 200
