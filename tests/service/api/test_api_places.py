from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.api.http import downloads
from services.api.middleware import limit_uploads
from tests.support.api import ARCHIVE, Answer, Api, running_api
from tests.support.forms import HEADERS, Part, form_body

SOON = 20.0


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """An application that takes one upload at a time."""
    async with running_api(database_url, tmp_path / "objects", uploads_at_once=1) as running:
        await running.user("ann")
        yield running


class SlowUpload:
    """An import whose last byte is sent when a test says so."""

    def __init__(self, api: Api, path: str) -> None:
        self._body = form_body([Part("path", path), Part("file", ARCHIVE, "x.tar.gz")])
        self.asked, self.complete = asyncio.Event(), asyncio.Event()
        self.answer = asyncio.create_task(
            api.post("/projects/import", by="ann", data=self._pieces(), headers=HEADERS, expect100=True)
        )

    async def _pieces(self) -> AsyncIterator[bytes]:
        self.asked.set()
        yield self._body[:-1]
        await self.complete.wait()
        yield self._body[-1:]


async def _import(api: Api, path: str) -> Answer:
    body = form_body([Part("path", path), Part("file", ARCHIVE, "x.tar.gz")])
    return await api.post("/projects/import", by="ann", data=body, headers=HEADERS)


async def test_an_upload_waits_for_a_free_place_with_its_body_unread(api: Api) -> None:
    async with asyncio.timeout(SOON):
        first, second = SlowUpload(api, "p"), SlowUpload(api, "q")
        await asyncio.wait(
            [asyncio.create_task(each.asked.wait()) for each in (first, second)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert (await api.get("/projects", by="ann")).status == 200
        begun, waiting = (first, second) if first.asked.is_set() else (second, first)
        assert not waiting.asked.is_set()
        waiting.complete.set()
        begun.complete.set()
        assert ((await begun.answer).status, (await waiting.answer).status) == (201, 201)


async def test_who_waits_in_vain_is_told_when_to_come_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_uploads, "_PATIENCE", timedelta(0))
    async with asyncio.timeout(SOON):
        slow = SlowUpload(api, "p")
        await slow.asked.wait()
        refused = await _import(api, "q")
        assert (refused.status, "Retry-After" in refused.headers) == (503, True)
        slow.complete.set()
        assert (await slow.answer).status == 201


async def test_a_refused_upload_leaves_its_place(api: Api) -> None:
    for _ in range(3):
        assert (await _import(api, "-")).status == 400
    assert (await _import(api, "p")).status == 201


@pytest.fixture
async def narrow(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """An application that lets one download be read at a time."""
    async with running_api(database_url, tmp_path / "objects", downloads_at_once=1) as running:
        yield running


async def test_a_download_that_finds_no_place_is_told_when_to_come_back(
    narrow: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_PATIENCE", timedelta(0))
    ann = await narrow.user("ann")
    project = await narrow.project(ann)
    await narrow.archive(project, ann, content=bytes(32 * 1024 * 1024))
    path = f"/projects/{project.id}/export/download"
    url = f"{str(narrow.url).rstrip('/')}/api/v4{path}"
    async with narrow.session.get(url, headers={"PRIVATE-TOKEN": narrow.tokens["ann"]}) as slow:
        assert slow.status == 200  # and is not read
        refused = await narrow.get(path, by="ann")
        assert (refused.status, "Retry-After" in refused.headers) == (503, True)
        head = await narrow.call("HEAD", f"/api/v4{path}", by="ann")
        assert (head.status, head.headers["Content-Length"]) == (200, str(32 * 1024 * 1024))
        slow.close()
    async with asyncio.timeout(SOON):
        while (await narrow.get(path, by="ann", headers={"Range": "bytes=0-9"})).status == 503:
            pass
