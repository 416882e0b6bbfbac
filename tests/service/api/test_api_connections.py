"""The api guards its connections: small limits here, the mechanisms in tests/unit/api."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.listener.connections import ConnectionLimits
from services.listener.phase import Phase
from shared.accounts.models import User
from shared.projects.models import Project
from shared.storage.filesystem import FilesystemStore
from tests.support.api import Api
from tests.support.imported import imported
from tests.support.projects import ndjson
from tests.support.projects import project as packed_project
from tests.support.waiting import until

HASTY = {"listener": {"connections": ConnectionLimits(head=timedelta(milliseconds=1))}}
SECURE = {"listener": {"hsts": timedelta(days=365)}}
STREAM = "GET /api/crossdock/v1/jobs/%d/events HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: %s\r\n\r\n"


def _closed(api: Api, reason: str) -> float | None:
    return api.registry.get_sample_value("crossdock_http_connections_closed_total", {"reason": reason})


def _at_work(api: Api) -> float | None:
    return api.registry.get_sample_value("crossdock_http_requests_at_work")


@pytest.mark.parametrize("api", [HASTY], indirect=True)
async def test_a_connection_that_sends_no_head_is_ended_and_counted(api: Api) -> None:
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    assert await reader.read() == b""
    assert _closed(api, "head") == 1
    writer.close()


async def test_connections_are_counted_by_what_they_do(api: Api) -> None:
    _, writer = await asyncio.open_connection(api.url.host, api.url.port)
    await until(lambda: api.connections.count(Phase.HEAD))

    samples = {
        phase.value: api.registry.get_sample_value("crossdock_http_connections", {"phase": phase.value})
        for phase in Phase
    }
    assert samples == {"head": 1, "busy": 0, "sending": 0, "idle": 0}
    assert api.registry.get_sample_value("crossdock_http_connections_max") == ConnectionLimits().most
    writer.close()
    await until(lambda: _closed(api, "over") == 1)


async def test_an_event_stream_is_held_to_no_rate(api: Api, ann: User, project: Project) -> None:
    job = await api.job(project, ann)
    _, writer = await asyncio.open_connection(api.url.host, api.url.port)
    writer.write((STREAM % (job.id, api.tokens["ann"])).encode())
    [stream] = await until(lambda: list(api.connections._all.members(Phase.BUSY)))
    await until(lambda: stream.spared_until)

    assert stream.spared_until > stream.since
    writer.close()


async def test_an_event_stream_ends_when_its_client_goes(api: Api, ann: User, project: Project) -> None:
    job = await api.job(project, ann)
    _, writer = await asyncio.open_connection(api.url.host, api.url.port)
    writer.write((STREAM % (job.id, api.tokens["ann"])).encode())
    await until(lambda: _at_work(api))
    writer.close()

    await until(lambda: not _at_work(api))


async def test_a_pass_over_records_stops_when_its_reader_goes(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"iid": 1, "title": "t", "x": "x" * 20_000}
    issues = ndjson(*([json.dumps(record).encode()] * 150))
    project = await imported(api, ann, packed_project(issues=issues))
    read, reads = FilesystemStore.read, 0
    free = asyncio.Event()

    async def held(store: FilesystemStore, *place: Any, **more: Any) -> AsyncIterator[bytes]:
        nonlocal reads
        reads += 1
        await free.wait()
        async for some in read(store, *place, **more):
            yield some

    monkeypatch.setattr(FilesystemStore, "read", held)
    _, writer = await asyncio.open_connection(api.url.host, api.url.port)
    path = f"/api/v4/projects/{project.id}/issues?labels=none"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {api.tokens['ann']}\r\n\r\n".encode())
    await until(lambda: reads)

    writer.transport.abort()

    await until(lambda: not _at_work(api))
    assert reads == 1
    free.set()
    assert (await api.get(f"/projects/{project.id}/issues?labels=none", by="ann")).status == 200
    assert reads > 2  # there was more to read


@pytest.mark.parametrize("api", [SECURE], indirect=True)
@pytest.mark.parametrize("path", ["/api/v4/version", "/", "/nothing", "/-/health"])
async def test_browsers_are_told_to_use_https_alone_if_the_setting_says_so(api: Api, path: str) -> None:
    answer = await api.call("GET", path)

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "Crossdock"


async def test_https_is_not_asked_for_by_default(api: Api) -> None:
    assert "Strict-Transport-Security" not in (await api.get("/version")).headers
