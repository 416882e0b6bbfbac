from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from aiohttp import web

from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, RemoteSource
from shared.jobs.progress import Progress
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.errors import StatusFailing
from shared.settings.application import ApplicationSettings
from tests.support.jobs import claimed
from tests.support.projects import Dock, Imported, files, ndjson, project
from tests.support.remote import CONTENT, SECRET, Servers, names

MIB = 1024 * 1024
ARCHIVE = project(("uploads/a", CONTENT), issues=ndjson(b'{"iid":1}', b'{"iid":2}'))
_CUT = 1_000_000
FAILED = "Error importing repository  into ann/p - "


@pytest.fixture
async def servers(dock: Dock) -> AsyncIterator[Servers]:
    """Servers that the importer may ask, by http."""
    dock.settings = ApplicationSettings(outbound_local_requests_allowlist=("files.test",))
    dock.remote = RemoteImportPolicy(schemes=("http",), resolver=names())
    async with AsyncExitStack() as stack:
        yield Servers(stack)


async def whole(_: web.Request) -> web.Response:
    return web.Response(body=ARCHIVE)


async def unending(request: web.Request) -> web.StreamResponse:
    """The archive and then noughts, without a length and without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        await response.write(ARCHIVE)
        while True:
            await response.write(bytes(64 * 1024))
    except ConnectionError:
        return response


async def ordered(dock: Dock, port: int, *, max_attempts: int = 5) -> Job:
    order = ImportOrder(source=RemoteSource(url=f"http://files.test:{port}/a.tar.gz?sig={SECRET}"))
    return await jobs.enqueue(
        dock.pool, order, project_id=1, user_id=1, correlation_id="c", max_attempts=max_attempts
    )


async def run(dock: Dock, port: int) -> Imported:
    return await dock.attempt(await ordered(dock, port))


async def is_kept(dock: Dock, job: Job) -> bool:
    """Whether the row of the job holds the secret."""
    row = await dock.pool.fetchval("SELECT jobs::text FROM jobs WHERE id = $1", job.id)
    return SECRET in row


async def test_an_archive_elsewhere_is_imported_like_one_of_ours(dock: Dock, servers: Servers) -> None:
    imported = await run(dock, await servers.http(whole))
    assert (imported.error, imported.progress.bytes_total) == (None, len(ARCHIVE))
    assert imported.progress.bytes_done == len(ARCHIVE)
    assert files(await dock.run_export()) == await dock.round_trip(ARCHIVE)


async def test_size_and_digest_of_what_was_fetched_are_told_at_its_end(dock: Dock, servers: Servers) -> None:
    await run(dock, await servers.http(whole))
    rows = await dock.pool.fetch("SELECT name, data->'archive' AS archive FROM events ORDER BY id")
    told = {"size": len(ARCHIVE), "sha256": hashlib.sha256(ARCHIVE).hexdigest()}
    assert {row["name"]: row["archive"] for row in rows} == {
        "import.queued": None, "import.started": None, "import.finished": told
    }  # fmt: skip


async def test_what_was_handed_over_without_a_digest_has_one_at_its_end(dock: Dock) -> None:
    job = await dock.order_import(ARCHIVE)
    await dock.pool.execute("UPDATE objects SET sha256 = NULL WHERE id = $1", job.object_id)
    assert (await dock.attempt(job)).error is None
    archive = await dock.pool.fetchval("SELECT data->'archive' FROM events WHERE name = 'import.finished'")
    assert archive == {"size": len(ARCHIVE), "sha256": hashlib.sha256(ARCHIVE).hexdigest()}


async def test_no_copy_of_the_archive_is_kept(dock: Dock, servers: Servers) -> None:
    await run(dock, await servers.http(whole))
    kinds = {row["kind"] for row in await dock.pool.fetch("SELECT kind::text FROM objects")}
    assert "upload" not in kinds


async def test_a_broken_download_goes_on_where_it_broke(dock: Dock, servers: Servers) -> None:
    asked = []

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        start = int(head.partition("Range: bytes=")[2].partition("-")[0] or 0)
        asked.append(start)
        size = len(ARCHIVE)
        status = f"206 P\r\nContent-Range: bytes {start}-{size - 1}/{size}" if start else "200 OK"
        writer.write(f'HTTP/1.1 {status}\r\nETag: "a"\r\nContent-Length: {size - start}\r\n\r\n'.encode())
        writer.write(ARCHIVE[start:] if start else ARCHIVE[:_CUT])
        await writer.drain()

    imported = await run(dock, await servers.raw(breaking))
    first, second = asked  # what arrives together with the break is asked for again
    assert (imported.error, first) == (None, 0)
    assert 0 < second <= _CUT


async def test_an_archive_that_grows_over_the_limit_fails_and_is_not_cut(
    dock: Dock, servers: Servers
) -> None:
    dock.settings = ApplicationSettings(
        outbound_local_requests_allowlist=("files.test",), max_import_remote_file_size=1
    )
    imported = await run(dock, await servers.http(unending))
    assert imported.error == f"{FAILED}Content length is too big (should be at most 1 MiB)"
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects") is None


async def test_an_archive_that_is_known_to_be_over_the_limit_is_not_read(
    dock: Dock, servers: Servers
) -> None:
    dock.settings = ApplicationSettings(
        outbound_local_requests_allowlist=("files.test",), max_import_remote_file_size=1
    )

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=bytes(2 * MIB))

    imported = await run(dock, await servers.http(large))
    assert imported.error == f"{FAILED}Content length is too big (should be at most 1 MiB)"
    assert imported.progress.bytes_done == 0


async def test_a_file_that_is_gone_fails_the_import_without_the_secret(dock: Dock, servers: Servers) -> None:
    async def gone(_: web.Request) -> web.Response:
        return web.Response(status=404)

    imported = await run(dock, await servers.http(gone))
    assert imported.error == f"{FAILED}unsupported response downloading fragment 404"


async def test_what_s3_says_of_its_refusal_is_told(dock: Dock, servers: Servers) -> None:
    async def refused(_: web.Request) -> web.Response:
        return web.Response(
            status=403, text="<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
        )

    imported = await run(dock, await servers.http(refused))
    told = "unsupported response downloading fragment 403: AccessDenied: Request has expired"
    assert imported.error == f"{FAILED}{told}"


async def test_a_server_that_fails_for_now_is_tried_again_with_the_address_that_was_kept(
    dock: Dock, servers: Servers
) -> None:
    async def failing(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "70"})

    job = await ordered(dock, await servers.http(failing))
    lease = await claimed(dock.pool, job)
    with pytest.raises(StatusFailing) as raised:
        await dock.importer.run(job, lease, Progress())
    assert (raised.value.retryable, raised.value.wait) == (True, 70)
    assert SECRET not in str(raised.value)
    await jobs.retry(dock.pool, lease, code="storage", error=str(raised.value), delay=timedelta(0))
    assert await is_kept(dock, job)


async def test_the_rules_for_addresses_hold_when_the_archive_is_fetched(dock: Dock, servers: Servers) -> None:
    port = await servers.http(whole)
    dock.settings = ApplicationSettings()
    imported = await run(dock, port)
    reason = "Requests to loopback addresses are not allowed"
    assert imported.error == f"{FAILED}File url is blocked: {reason}"


@pytest.mark.parametrize(("status", "kept"), [(200, False), (404, True)])
async def test_an_import_that_has_failed_knows_its_address_for_a_retry(
    dock: Dock, servers: Servers, status: int, *, kept: bool
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=ARCHIVE, status=status)

    job = await ordered(dock, await servers.http(handler))
    assert await is_kept(dock, job)
    imported = await dock.attempt(job)
    assert (imported.error is None) == (status == 200)
    assert await is_kept(dock, job) is kept
