"""A job is canceled while a worker is at it, and done again, in both forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.gitlab import GitLab
from tests.support.large import write_large
from tests.support.system import System
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)


async def _own(system: System, method: str, path: str) -> tuple[int, Any]:
    headers = {"PRIVATE-TOKEN": system.token}
    url = f"{system.url}/api/crossdock/v1/jobs{path}"
    async with aiohttp.request(method, url, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_running_import_is_canceled_within_seconds_and_retried(
    system: System, gitlab: GitLab, tmp_path: Path
) -> None:
    file = tmp_path / "large.tar.gz"
    write_large(file, relations=96, blobs=0)
    started = await gitlab.start_import(file, f"canceled-{system.url[-5:]}")
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
