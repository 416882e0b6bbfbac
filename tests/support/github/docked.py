"""A GitHub, git behind it, and an importer that may ask both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import stamina
from aiohttp import web
from yarl import URL

from shared.broker.memory import MemoryBroker
from shared.jobs import store as jobs
from shared.jobs.models import (
    GitHubOrder,
    GitHubStages,
    ImportOrder,
    Job,
    JobKind,
    RemoteSource,
    SourceForm,
)
from shared.jobs.worker import Worker, WorkerLimits
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.api_address import ApiAddress
from shared.remote.resolver import TableResolver
from shared.settings.application import ApplicationSettings
from tests.support.git_http import GitHttp
from tests.support.github.cloned import cloned_everything, with_commits
from tests.support.github.github import HOSTS, TOKEN, GitHub
from tests.support.github.limits import Hold
from tests.support.github.repositories import Repository
from tests.support.projects import Dock, Imported, files
from tests.support.remote import Handler, Servers
from tests.support.workers import at_work


class GitHubDock:
    """A GitHub and an importer; git serves its repositories, which lie below ``root``."""

    def __init__(self, dock: Dock, github: GitHub, root: Path) -> None:
        self.dock, self.github, self.root = dock, github, root
        self.git = GitHttp(root, token=TOKEN)
        self.answer: Handler = self.git.handle
        self.broker = MemoryBroker()
        self.holds: list[Hold] = []

    def hold(self, pattern: str) -> Hold:
        """Have the API, or git, give no answer to requests that match."""
        self.holds.append(self.github.hold(pattern))
        return self.holds[-1]

    async def handle_git(self, request: web.Request) -> web.StreamResponse:
        """Answer as git does, unless the request is held."""
        for hold in self.holds:
            if hold.applies(request):
                await hold.keep()
        return await self.answer(request)

    def everything(self) -> Repository:
        """A repository with one of everything."""
        return cloned_everything(self.github, self.root)

    def repository(self, **files: bytes) -> Repository:
        """A repository with commits, and nothing else yet."""
        made = self.github.repository("octo/one")
        with_commits(made, self.root, files)
        return made

    async def ordered(
        self,
        repository: Repository,
        *,
        token: str = TOKEN,
        project_id: int = 1,
        replaces: str | None = None,
        keeps_pages: bool = False,
        **stages: bool,
    ) -> Job:
        """Enqueue an import of a repository."""
        address = ApiAddress(URL(self.github.site.api), token)
        order = ImportOrder(
            source=RemoteSource(url=address.write(), form=SourceForm.GITHUB),
            github=GitHubOrder(
                full_name=repository.path,
                repository_id=repository.stamp.id,
                api=self.github.site.api,
                stages=GitHubStages(**stages),
                keeps_pages=keeps_pages,
            ),
            replaces=replaces,
        )
        return await jobs.enqueue(self.dock.pool, order, project_id=project_id, user_id=1, correlation_id="c")

    async def move_to_group(self) -> None:
        """Give the project to a group, which has members."""
        await self.dock.pool.execute(
            """WITH made AS (INSERT INTO namespaces (kind, path, name, full_path, full_name)
                             VALUES ('group', 'g', 'G', 'g', 'G') RETURNING id)
               UPDATE projects SET namespace_id = (SELECT id FROM made)"""
        )

    async def run(self, repository: Repository, **more: Any) -> Imported:
        return await self.dock.attempt(await self.ordered(repository, **more))

    async def whole(self, repository: Repository, **more: Any) -> dict[str, bytes]:
        """Import without an error or a failure, and export: the files."""
        imported = await self.run(repository, **more)
        assert (imported.error, await self.dock.failures(imported)) == (None, [])
        return files(await self.dock.run_export())


@asynccontextmanager
async def connected(dock: Dock, github: GitHub, root: Path) -> AsyncIterator[GitHubDock]:
    """Let the importer ask a GitHub by http; its tries follow each other at once."""
    dock.settings = ApplicationSettings(outbound_local_requests_allowlist=("127.0.0.2", *HOSTS))
    dock.remote = RemoteImportPolicy(schemes=("http",), resolver=TableResolver(HOSTS))
    hub = GitHubDock(dock, github, root)
    async with AsyncExitStack() as stack:
        stack.enter_context(stamina.set_testing(True, attempts=100, cap=True))
        github.git = f"http://github.test:{await Servers(stack).http(hub.handle_git)}"
        yield hub


@asynccontextmanager
async def working(hub: GitHubDock) -> AsyncIterator[None]:
    """A worker of imports from GitHub, with the leases that services have."""
    limits = WorkerLimits(concurrency=1, ttl=timedelta(seconds=30), drain=timedelta(seconds=10))
    worker = Worker(
        hub.dock.pool, hub.broker, kind=JobKind.GITHUB_IMPORT, work=hub.dock.importer, name="host:1",
        limits=limits,
    )  # fmt: skip
    async with at_work([worker]):
        yield


def records(out: dict[str, bytes], relation: str) -> list[dict[str, Any]]:
    """The records of a relation."""
    return [json.loads(line) for line in out[f"tree/project/{relation}.ndjson"].splitlines()]
