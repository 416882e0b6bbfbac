"""A running Crossdock as the clients of its users see it, who have a namespace each of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import aiohttp
from yarl import URL

from shared.database.pool import Pool
from shared.jobs import store as jobs
from shared.jobs.models import JobOrder, Lease
from tests.support.api import Answer
from tests.support.forms import HEADERS, Part, form_body
from tests.support.jobs import claimed
from tests.support.projects import project as minimal
from tests.support.waiting import until

ENDED = {"finished", "failed", "canceled", "none"}
ROOT = "root"
ARCHIVE = minimal()


@dataclass(slots=True)
class Instance:
    """Calls by users, and a way into the database for states that no client can bring about and hold."""

    url: str
    session: aiohttp.ClientSession
    pool: Pool
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, *, by: str | None = None, **more: Any) -> Answer:
        """Make a call with the token of the user ``by``; ``path``, below /api/v4, is sent as it stands."""
        headers = {**more.pop("headers", {})}
        if by is not None:
            headers["PRIVATE-TOKEN"] = self.tokens[by]
        url = URL(f"{self.url}/api/v4{path}", encoded=True)
        async with self.session.request(
            method, url, headers=headers, allow_redirects=False, **more
        ) as response:
            body = await response.read()
            is_json = response.headers.get("Content-Type") == "application/json" and body
            return Answer(response.status, response.headers, await response.json() if is_json else body)

    async def get(self, path: str, *, by: str | None = None, **more: Any) -> Answer:
        """GET below /api/v4."""
        return await self.call("GET", path, by=by, **more)

    async def post(self, path: str, *, by: str | None = None, **more: Any) -> Answer:
        """POST below /api/v4."""
        return await self.call("POST", path, by=by, **more)

    async def made(self, address: str, by: str = ROOT, /, **given: Any) -> Any:
        """POST, and give what was made."""
        answer = await self.post(address, by=by, json=given)
        assert answer.status == 201, answer
        return answer.body

    async def user(self, word: str = "user", **more: Any) -> str:
        """A new user, whose name begins with the word, with a token for everything."""
        name = f"{word}-{uuid4().hex[:10]}"
        given = {
            "username": name,
            "name": name.title(),
            "email": f"{name}@example.com",
            "reset_password": True,
        }
        made = await self.made("/users", **(given | more))
        await self.token(name, made["id"])
        return name

    async def token(self, name: str, user_id: int, *scopes: str) -> None:
        """Have the user ``name`` call with a new token from now on, ``api`` where no scope is given."""
        path = f"/users/{user_id}/personal_access_tokens"
        self.tokens[name] = (await self.made(path, name="t", scopes=list(scopes or ["api"])))["token"]

    async def user_id(self, name: str) -> int:
        """The id of a user."""
        found: int = (await self.get("/user", by=name)).body["id"]
        return found

    async def group(self, owner: str, **more: Any) -> dict[str, Any]:
        """A new group of the owner's."""
        path = f"g-{uuid4().hex[:10]}"
        group: dict[str, Any] = await self.made("/groups", owner, name=path, path=path, **more)
        return group

    async def project(self, owner: str, path: str = "api-project", **more: Any) -> int:
        """A new and empty project in the owner's namespace."""
        number: int = (await self.made("/projects", owner, path=path, **more))["id"]
        return number

    async def member(self, project: int, level: int) -> str:
        """A new user who is a member of the project."""
        name = await self.user(f"level-{level}")
        user_id = await self.user_id(name)
        await self.made(f"/projects/{project}/members", user_id=user_id, access_level=level)
        return name

    async def upload(
        self, *parts: Part, by: str | None, to: str = "/projects/import", file: Part | None = None
    ) -> Answer:
        """Send a form, the file last; a minimal archive where no other is given."""
        body = form_body([*parts, file or Part("file", ARCHIVE, "x.tar.gz")])
        return await self.post(to, by=by, data=BytesIO(body), headers=HEADERS)

    async def imported(self, owner: str, archive: bytes = ARCHIVE, path: str = "api-project") -> int:
        """A new project in the owner's namespace with what is in the archive."""
        answer = await self.upload(Part("path", path), by=owner, file=Part("file", archive, "x.tar.gz"))
        assert answer.status == 201, answer
        assert (await self.import_ended(answer.body["id"]))["import_status"] == "finished"
        number: int = answer.body["id"]
        return number

    async def exported(self, project: int, *, by: str, **given: Any) -> Answer:
        """Export a project, wait for the end, and give the status."""
        answer = await self.post(f"/projects/{project}/export", by=by, json=given)
        assert answer.status == 202, answer
        return await self.until(f"/projects/{project}/export", "export_status", by=by)

    async def import_ended(self, project: int, *, by: str = ROOT) -> Any:
        """Wait for the end of an import and give its status."""
        return (await self.until(f"/projects/{project}/import", "import_status", by=by)).body

    async def until(self, path: str, key: str, *, by: str) -> Answer:
        """Ask until what is under ``key`` is an end."""

        async def ended() -> Answer | None:
            answer = await self.get(path, by=by)
            return answer if answer.body[key] in ENDED else None

        found = await until(ended)
        assert found
        return found

    @asynccontextmanager
    async def settings(self, **values: Any) -> AsyncIterator[None]:
        """Have these application settings for a block."""
        address = "/application/settings"
        before = (await self.get(address, by=ROOT)).body
        assert (await self.call("PUT", address, by=ROOT, json=values)).status == 200
        try:
            yield
        finally:
            await self.call("PUT", address, by=ROOT, json={name: before[name] for name in values})

    async def held(self, project: int, user: str, order: JobOrder) -> Lease:
        """A job that runs for as long as the test, as no worker gets to see it before it is claimed."""
        async with self.pool.acquire() as db, db.transaction():
            job = await jobs.enqueue(
                db, order, project_id=project, user_id=await self.user_id(user), correlation_id="cid"
            )
            return await claimed(db, job, ttl=timedelta(minutes=5))

    async def lose_objects(self, kind: str, project: int) -> None:
        """Have the store lack what the database names, of the archives or packs of a project."""
        named = {
            "archive": """SELECT r.object_id FROM runs r JOIN archives a ON a.snapshot_id = r.snapshot_id
                          WHERE a.project_id = $1""",
            "pack": """SELECT e.object_id FROM entries e JOIN projects p ON p.snapshot_id = e.snapshot_id
                       WHERE p.id = $1""",
        }
        query = f"UPDATE objects SET key = key || '-lost' WHERE id IN ({named[kind]})"  # noqa: S608  # fixed texts
        await self.pool.execute(query, project)
