"""A job is canceled while a worker is at it, and done again, in both forms."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.gitlab import GitLab
from tests.support.large import write_large
from tests.support.system import System
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)


class Halting:
    """Serves an archive at ``url``: the first time the first half of it, later all."""

    def __init__(self, archive: bytes) -> None:
        self.url = ""
        self._archive = archive
        self._asked = 0
        self._ended = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def served(cls, archive: bytes, keys: tuple[Path, Path]) -> AsyncIterator[Halting]:
        """Listen as localhost."""
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(keys[1], keys[0])
        halting = cls(archive)
        app = web.Application()
        app.router.add_get("/large.tar.gz", halting._get)
        server = TestServer(app, host="localhost", scheme="https")
        await server.start_server(ssl=tls)
        halting.url = str(server.make_url("/large.tar.gz"))
        try:
            yield halting
        finally:
            halting._ended.set()
            await server.close()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/gzip"})
        answer.content_length = len(self._archive)
        await answer.prepare(request)
        if request.method == "HEAD":
            return answer
        self._asked += 1
        if self._asked == 1:
            await answer.write(self._archive[: len(self._archive) // 2])
            await self._ended.wait()
        else:
            await answer.write(self._archive)
        return answer


async def _own(system: System, method: str, path: str) -> tuple[int, Any]:
    headers = {"PRIVATE-TOKEN": system.token}
    url = f"{system.url}/api/crossdock/v1/jobs{path}"
    async with aiohttp.request(method, url, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_running_import_is_canceled_within_seconds_and_retried(
    system: System, gitlab: GitLab, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    file = tmp_path / "large.tar.gz"
    write_large(file, relations=96, blobs=0)
    async with Halting.served(file.read_bytes(), keys) as halting:
        given = {"path": f"canceled-{system.url[-5:]}", "url": halting.url}
        started = await gitlab.call("POST", "/projects/remote-import", json=given)
        assert started.status == 201, started
        project = started.body["id"]
        _, (job, *_) = await _own(system, "GET", f"?project={project}")

        async def writing() -> bool:
            _, shown = await _own(system, "GET", f"/{job['id']}")
            assert shown["state"] in ("queued", "running")
            return bool(shown["progress"].get("bytes_done"))

        await until(writing)

        canceled = await _own(system, "POST", f"/{job['id']}/cancel")
        assert (await gitlab.call("GET", f"/projects/{project}/import")).body["import_status"] == "canceled"
        assert (await gitlab.call("GET", f"/projects/{project}/issues")).body == []
        again = await _own(system, "POST", f"/{job['id']}/retry")

        assert (canceled[0], canceled[1]["state"], again[0]) == (200, "canceled", 201)
        # By the one importer that there is, which is free again.
        assert (await gitlab.imported(project))["import_status"] == "finished"
    status, done = await _own(system, "GET", f"/{again[1]['id']}")
    assert (status, done["attempt"]) == (200, 1)
    assert [phase["name"] for phase in done["timings"]["phases"]] == [
        "preparing", "reading", "writing", "committing",
    ]  # fmt: skip
    assert done["progress"]["bytes_done"] == file.stat().st_size
    assert done["progress"]["relations"]["issues"]["bytes"] > 40 * 2**20
