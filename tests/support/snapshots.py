"""Calls that fill an open snapshot of a project of a running API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.accounts.models import User
from shared.ledger.collector import Collector
from shared.projects.models import Project
from tests.support.api import Answer, Api
from tests.support.projects import Dock, files


@dataclass(slots=True)
class Pusher:
    """A maintainer of one project, who pushes its content."""

    api: Api
    project: Project
    user: User
    snapshot: int = 0

    @property
    def above(self) -> str:
        """The address of the project's snapshots."""
        return f"/api/crossdock/v1/projects/{self.project.id}/snapshots"

    async def open(self, **given: Any) -> Answer:
        """Open a snapshot, for what follows."""
        answer = await self.api.call("POST", self.above, by=self.user.username, json=given)
        if answer.status == 201:
            self.snapshot = answer.body["id"]
        return answer

    async def call(self, method: str, path: str = "", *, by: str | None = None, **more: Any) -> Answer:
        """Make a call below the snapshot."""
        address = f"{self.above}/{self.snapshot}{path and f'/{path}'}"
        return await self.api.call(method, address, by=by or self.user.username, **more)

    async def put(self, path: str, data: bytes, **more: Any) -> Answer:
        """Send an entry, which has to be taken."""
        answer = await self.call("PUT", path, data=data, **more)
        assert answer.status == 200, answer
        return answer

    async def commit(self, **given: Any) -> Answer:
        """Commit the snapshot."""
        return await self.call("POST", "commit", json=given)

    async def entries(self) -> dict[str, Any]:
        """What is in the snapshot, by name."""
        return {each["name"]: each for each in (await self.call("GET", "entries")).body}

    async def pushed(self, **sent: bytes) -> None:
        """Open, send and commit; ``__`` stands for a slash."""
        assert (await self.open()).status == 201
        for path, data in sent.items():
            await self.put(path.replace("__", "/"), data)
        committed = await self.commit()
        assert committed.status == 200, committed

    async def exported(self) -> dict[str, bytes]:
        """The files of an archive of the project."""
        dock = Dock(self.api.pool, self.api.folder)
        return files(await dock.run_export(project_id=self.project.id, user_id=self.user.id))


async def pusher(api: Api, path: str = "project") -> Pusher:
    """A user with an empty project."""
    user = await api.user(f"{path}-owner")
    return Pusher(api, await api.project(user, path), user)


def detail(answer: Answer) -> str:
    """What a problem says, which has to be one."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer
    said: str = json.loads(answer.body)["detail"]
    return said


async def collect(api: Api) -> None:
    """Collect garbage without any grace."""
    collector = Collector(api.pool, api.store, grace=timedelta(0))
    while await collector.collect_snapshots():
        pass
    while await collector.collect_objects():
        pass
