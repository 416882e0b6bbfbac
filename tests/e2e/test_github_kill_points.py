"""An importer is killed at a point of an import from GitHub: another ends it, and nothing is there twice."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.jobs.requeue import Requeue
from tests.support.buckets import made_bucket
from tests.support.git_http import GitHttp
from tests.support.github.cloned import cloned_everything
from tests.support.github.description import Description
from tests.support.github.github import ADDRESS, TOKEN, GitHub
from tests.support.github.repositories import Repository
from tests.support.gitlab import GitLab
from tests.support.killed import POINT, KilledProcess
from tests.support.projects import files
from tests.support.rabbitmq import RabbitMQServer
from tests.support.remote import Servers
from tests.support.seaweedfs import S3Server
from tests.support.system import System, crossdock, distributed
from tests.support.waiting import until_row

pytestmark = pytest.mark.timeout(300)

POINTS = (
    "after claim", "mid pages", "pages are whole", "mid repository", "mid files", "before the rows",
    "before commit", "after commit",
)  # fmt: skip
STATS = {
    "diff_note": 4, "issue": 2, "issue_attachment": 1, "issue_event": 27, "label": 2, "milestone": 2,
    "note": 2, "protected_branch": 2, "pull_request": 4, "pull_request_merged_by": 1,
    "pull_request_review": 2, "release": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Harbour:
    """A Crossdock without importers, and a GitHub with a repository that has one of everything."""

    system: System
    gitlab: GitLab
    github: GitHub
    repository: Repository
    pool: Pool

    @property
    def env(self) -> dict[str, str]:
        return {**self.system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0"}

    async def order(self) -> int:
        """Ask for the import; give its project."""
        wanted = {
            "personal_access_token": TOKEN,
            "repo_id": self.repository.stamp.id,
            "target_namespace": "root",
            "github_hostname": self.github.site.web,
            "optional_stages": {"attachments_import": True},
        }
        answer = await self.gitlab.call("POST", "/import/github", json=wanted)
        assert answer.status == 201, answer.body
        number: int = answer.body["id"]
        return number

    async def kill(self, point: str, folder: Path) -> int:
        """Have an importer work until it is killed; give its exit code."""
        await asyncio.to_thread(folder.mkdir)
        process = KilledProcess(("importer",), directory=folder, env={**self.env, POINT: point})
        try:
            return await asyncio.to_thread(process.wait)
        finally:
            process.stop(lambda _: None)

    async def take_over(self, folder: Path) -> None:
        """Have the lease of the dead end now, and an importer that nobody kills do what is left."""
        await self.pool.execute("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'")
        await Requeue(self.pool, MemoryBroker()).requeue_lost()
        with ExitStack() as resources:
            crossdock("importer", directory=folder, env=self.env, resources=resources)
            await until_row(self.pool, "SELECT count(*) = 0 FROM jobs WHERE finished_at IS NULL", seconds=90)


@pytest.fixture
async def harbour(
    database_url: str,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    queue_prefix: str,
    github_description: Description,
    tmp_path: Path,
) -> AsyncIterator[Harbour]:
    await made_bucket(s3_server)
    settings: dict[str, Any] = {
        "CROSSDOCK_BROKER_PREFIX": queue_prefix,
        "CROSSDOCK_LEASE_SECONDS": "600",
        "CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS": "true",
    }
    with distributed(
        database_url=database_url, broker_url=rabbitmq_server.url, s3=s3_server, importers=0, **settings
    ) as system:
        async with (
            GitHub(github_description, enterprise=ADDRESS).serve() as github,
            AsyncExitStack() as stack,
            aiohttp.ClientSession() as session,
            database(database_url, size=2) as pool,
        ):
            port = await Servers(stack).http(GitHttp(tmp_path / "served", token=TOKEN).handle)
            github.git = f"http://{ADDRESS}:{port}"
            repository = cloned_everything(github, tmp_path / "served")
            picture = github.attachment("/user-attachments/assets/0b1c", b"picture")
            repository.issues[0].body = f"![x]({picture})"
            gitlab = GitLab(session, system.url, system.token, deadline=90)
            yield Harbour(system, gitlab, github, repository, pool)


def _iids(out: dict[str, bytes], relation: str) -> list[int]:
    return [json.loads(line)["iid"] for line in out[f"tree/project/{relation}.ndjson"].splitlines()]


@pytest.mark.parametrize("point", POINTS)
async def test_an_import_from_github_ends_once_at_whatever_point_its_importer_is_killed(
    harbour: Harbour, tmp_path: Path, point: str
) -> None:
    project = await harbour.order()
    assert await harbour.kill(point, tmp_path / "killed") == -signal.SIGKILL
    await harbour.take_over(tmp_path / "sound")
    status = (await harbour.gitlab.call("GET", f"/projects/{project}/import")).body
    assert (status["import_status"], status["failed_relations"]) == ("finished", [])
    assert status["stats"] == {"fetched": STATS, "imported": STATS}
    assert await harbour.pool.fetchval("SELECT count(*) FROM github_pages") == 0
    assert await harbour.pool.fetchval("SELECT attempt FROM jobs") == (1 if point == "after commit" else 2)
    asked = Counter(each.path for each in harbour.github.asked if "/repositories/" in each.path)
    assert max(asked.values()) <= 2  # the first is asked for by who orders the import as well

    await harbour.gitlab.export(project)
    await harbour.gitlab.download(project, tmp_path / "out.tar.gz")
    out = files((tmp_path / "out.tar.gz").read_bytes())
    assert (_iids(out, "issues"), _iids(out, "merge_requests")) == ([1, 2], [3, 4, 5, 6])
    assert len([name for name in out if name.startswith("uploads/") and name.endswith(".png")]) == 1
