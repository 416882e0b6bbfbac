from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import timedelta

import pytest
import structlog

from services.listener.connections import ConnectionLimits
from shared.accounts.models import User
from shared.ledger import objects
from shared.projects.models import Project
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.waiting import until, until_row

ETAG = f'"{hashlib.sha256(ARCHIVE).hexdigest()}"'
EXPIRED = {"message": "404 Not found or has expired"}


async def _download(
    api: Api, project: Project, *, method: str = "GET", by: str = "ann", **headers: str
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.call(method, f"/api/v4/projects/{project.id}/export/download", by=by, headers=named)


async def test_a_finished_archive_is_downloaded_whole(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann)

    answer = await _download(api, project)

    assert (answer.status, answer.body) == (200, ARCHIVE)
    name = "2026-11-22_10-11-148_ann_project_export.tar.gz"
    digest = base64.b64encode(hashlib.sha256(ARCHIVE).digest()).decode()
    expected = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}",
        "Content-Transfer-Encoding": "binary",
        "Content-Length": str(len(ARCHIVE)),
        "Accept-Ranges": "bytes",
        "ETag": ETAG,
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert answer.headers["Last-Modified"].endswith(" GMT")


async def test_head_has_the_headers_of_get_and_no_body(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann)
    whole = await _download(api, project)

    head = await _download(api, project, method="HEAD")

    assert (head.status, head.body) == (200, b"")
    for name in (
        "Content-Type",
        "Content-Length",
        "Content-Disposition",
        "ETag",
        "Repr-Digest",
        "Last-Modified",
    ):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize("api", [{"project_download_export_limit": 1}], indirect=True)
async def test_going_on_with_a_download_does_not_count(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann)
    await _download(api, project)

    assert (await _download(api, project, Range="bytes=100-")).status == 206
    assert (await _download(api, project, method="HEAD")).status == 200
    assert (await _download(api, project)).status == 429
    assert (await _download(api, project, Range="bytes=100-")).status == 206


@pytest.mark.parametrize("api", [{"project_download_export_limit": 1}], indirect=True)
async def test_the_ranges_of_a_file_count_once_in_a_minute_in_whatever_order_they_come(
    api: Api, ann: User, project: Project
) -> None:
    other = await api.project(ann, "other")
    for each in (project, other):
        await api.archive(each, ann)

    ranges = ("bytes=7500-", "bytes=0-2499", "bytes=2500-4999", "bytes=5000-7499")
    answers = await asyncio.gather(*(_download(api, project, Range=wanted) for wanted in ranges))
    assert [answer.status for answer in answers] == [206] * 4
    assert (await _download(api, project)).status == 429
    assert (await _download(api, other, Range="bytes=100-")).status == 206
    await api.pool.execute("UPDATE rate_limits SET window_end = now()")
    assert (await _download(api, project)).status == 200


async def test_a_removed_archive_is_not_found(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann)
    await api.pool.execute("UPDATE archives SET expires_at = now()")

    answer = await _download(api, project)

    assert (answer.status, answer.body) == (404, EXPIRED)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, len(ARCHIVE)),
        ("bytes=-7", len(ARCHIVE) - 7, len(ARCHIVE)),
        ("bytes=5-999999", 5, len(ARCHIVE)),
    ],
)
async def test_a_range_is_sent_alone(
    api: Api, ann: User, project: Project, wanted: str, start: int, end: int
) -> None:
    await api.archive(project, ann)

    answer = await _download(api, project, Range=wanted)

    assert (answer.status, answer.body) == (206, ARCHIVE[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(ARCHIVE)}"
    assert answer.headers["Content-Length"] == str(end - start)


async def test_a_range_behind_the_end_is_not_satisfiable(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann)

    answer = await _download(api, project, Range=f"bytes={len(ARCHIVE)}-")

    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(ARCHIVE)}"


async def test_a_range_of_another_archive_gets_the_whole(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann)

    same = await _download(api, project, Range="bytes=1-2", If_Range=ETAG)
    other = await _download(api, project, Range="bytes=1-2", If_Range='"other"')

    assert (same.status, other.status) == (206, 200)


async def test_an_archive_that_the_client_has_is_not_sent_again(
    api: Api, ann: User, project: Project
) -> None:
    await api.archive(project, ann)

    answer = await _download(api, project, If_None_Match=f'"x", {ETAG}')

    assert (answer.status, answer.body) == (304, b"")


async def test_an_archive_that_breaks_off_in_the_store_is_not_taken_as_whole(
    api: Api, ann: User, project: Project
) -> None:
    content = ARCHIVE * 100
    key = await api.archive(project, ann, content=content)
    (api.folder / key).write_bytes(content[:-1])

    with pytest.raises(Exception, match=r"payload|Server disconnected|reset"):
        await asyncio.wait_for(_download(api, project), 30)


IMPATIENT = {"listener": {"connections": ConnectionLimits(rate=1 << 40, grace=timedelta(milliseconds=200))}}


@pytest.mark.parametrize("api", [IMPATIENT], indirect=True)
async def test_a_download_that_nobody_takes_is_ended(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann, content=ARCHIVE * 5000)  # more than the buffers between us hold
    path = f"/api/v4/projects/{project.id}/export/download"
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    with structlog.testing.capture_logs() as log:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {api.tokens['ann']}\r\n\r\n".encode())
        await until(lambda: any(line["event"] == "request" for line in log))

    taken = b"".join([chunk async for chunk in reader])
    assert len(taken) < len(ARCHIVE) * 5000
    writer.close()


async def test_an_archive_is_kept_from_the_collector_while_it_is_downloaded(
    api: Api, ann: User, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.archive(project, ann, content=ARCHIVE * 5000)
    monkeypatch.setattr(objects, "TOUCH_EVERY", timedelta(milliseconds=1))
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    path = f"/api/v4/projects/{project.id}/export/download"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {api.tokens['ann']}\r\n\r\n".encode())
    await reader.readline()

    await api.pool.execute("UPDATE objects SET touched_at = now() - interval '1 hour'")

    await until_row(api.pool, "SELECT touched_at > now() - interval '1 minute' FROM objects")
    writer.close()
