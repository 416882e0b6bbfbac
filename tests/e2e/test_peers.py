"""A Crossdock that is the peer of another: a project goes there and comes back, as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from yarl import URL

from tests.support.gitlab import GitLab
from tests.support.ports import free_ports
from tests.support.projects import files, ndjson, project
from tests.support.system import System
from tests.support.tls_front import tls_front
from tests.support.waiting import until

HERE = "/../crossdock/v1"
ARCHIVE = project(("uploads/a", bytes(400_000)), issues=ndjson(b'{"iid":1,"title":"One"}'))


@pytest.fixture
async def peer(system: System, keys: tuple[Path, Path]) -> AsyncIterator[str]:
    """The address of the same Crossdock, by TLS."""
    (port,) = free_ports(1)
    async with tls_front(keys, port=port, before=URL(system.url).port or 0):
        yield f"https://localhost:{port}"


async def ended(gitlab: GitLab, job_id: int) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        job: dict[str, Any] = (await gitlab.call("GET", f"{HERE}/jobs/{job_id}")).body
        return job if job["state"] in {"finished", "failed", "canceled"} else {}

    return await until(look)


async def content_of(gitlab: GitLab, project_id: int, target: Path) -> dict[str, bytes]:
    assert (await gitlab.export(project_id))["export_status"] == "finished"
    await gitlab.download(project_id, target)
    return files(await asyncio.to_thread(target.read_bytes))


async def test_a_project_goes_to_a_peer_and_comes_back_as_it_was(
    system: System, gitlab: GitLab, peer: str, tmp_path: Path
) -> None:
    name = f"p-{uuid4().hex[:10]}"
    (tmp_path / "in.tar.gz").write_bytes(ARCHIVE)
    first = (await gitlab.import_file(tmp_path / "in.tar.gz", name))["id"]
    fields = {"name": name, "kind": "crossdock", "url": peer, "token": system.token}
    made = await gitlab.call("POST", f"{HERE}/destinations", json=fields)
    assert made.status == 201, made
    here = f"{HERE}/destinations/{made.body['id']}"
    tested = await gitlab.call("POST", f"{here}/test")
    assert (tested.status, tested.body["username"]) == (200, "root")

    sent = await gitlab.call("POST", f"{here}/export", json={"project": first, "path": f"{name}-there"})
    assert sent.status == 201, sent
    told = await ended(gitlab, sent.body["id"])
    assert (told["state"], told["error"], told["attempt"]) == ("finished", None, 1)
    assert told["outcome"]["upload"]["status"] == 201

    wanted = {"project": f"root/{name}-there", "path": f"{name}-back"}
    fetched = await gitlab.call("POST", f"{here}/import", json=wanted)
    assert fetched.status == 201, fetched
    told = await ended(gitlab, fetched.body["id"])
    assert (told["state"], told["error"], told["attempt"]) == ("finished", None, 1)

    back = (await gitlab.call("GET", f"/projects/root%2F{name}-back")).body["id"]
    kept = await content_of(gitlab, first, tmp_path / "first.tar.gz")
    assert await content_of(gitlab, back, tmp_path / "back.tar.gz") == kept
    assert kept["uploads/a"] == bytes(400_000)


async def test_a_schedule_fetches_the_projects_of_a_peer(
    system: System, gitlab: GitLab, peer: str, tmp_path: Path
) -> None:
    name = f"g-{uuid4().hex[:10]}"
    for group in (name, f"{name}-vault"):
        made = await gitlab.call("POST", "/groups", json={"name": group, "path": group})
        assert made.status == 201, made
    (tmp_path / "in.tar.gz").write_bytes(ARCHIVE)
    await gitlab.import_file(tmp_path / "in.tar.gz", "one", namespace=name)
    fields = {"name": name, "kind": "crossdock", "url": peer, "token": system.token}
    source = (await gitlab.call("POST", f"{HERE}/destinations", json=fields)).body["id"]
    order = {"name": name, "source_id": source, "into": f"{name}-vault", "group": name, "cron": "@yearly"}
    schedule = await gitlab.call("POST", f"{HERE}/schedules", json=order)
    assert schedule.status == 201, schedule
    for state in ("done", "skipped"):
        run = await gitlab.call("POST", f"{HERE}/schedules/{schedule.body['id']}/run")
        assert run.status == 202, run
        told = await run_ended(gitlab, run.body["id"])
        assert (told["state"], told["projects"][state], told["error"]) == ("finished", 1, None)
    fetched = await gitlab.call("GET", f"/projects/{name}-vault%2F{name}%2Fone")
    assert fetched.status == 200
    kept = await content_of(gitlab, fetched.body["id"], tmp_path / "fetched.tar.gz")
    assert kept["uploads/a"] == bytes(400_000)


async def run_ended(gitlab: GitLab, run_id: int) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        run: dict[str, Any] = (await gitlab.call("GET", f"{HERE}/runs/{run_id}")).body
        return run if run["finished_at"] else {}

    return await until(look)
