"""The calls of GitLab's API that most tests make."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.support.waiting import until


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and a JSON body."""

    status: int
    body: Any


class GitLab:
    """A client for one user."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token: str, *, deadline: float = 120
    ) -> None:
        self._session = session
        self._deadline = deadline
        self._api = f"{url}/api/v4"
        self._headers = {"PRIVATE-TOKEN": token}

    async def call(self, method: str, path: str, **more: Any) -> Answer:
        """Make one call."""
        headers = {**self._headers, **more.pop("headers", {})}
        async with self._session.request(method, f"{self._api}{path}", headers=headers, **more) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return Answer(response.status, await response.json() if is_json else text)

    async def start_import(self, file: Path, path: str, **fields: str) -> Answer:
        """Upload an archive."""
        with file.open("rb") as opened:
            form = aiohttp.FormData({"path": path, **fields})
            form.add_field("file", opened, filename=file.name)
            return await self.call("POST", "/projects/import", data=form)

    async def imported(self, project: int | str) -> dict[str, Any]:
        """Wait for the end of an import and give its status."""
        return await self._until(f"/projects/{quote(str(project), safe='')}/import", "import_status")

    async def import_file(self, file: Path, path: str, **fields: str) -> dict[str, Any]:
        """Upload an archive and wait for the end of its import."""
        started = await self.start_import(file, path, **fields)
        assert started.status == 201, started
        return await self.imported(started.body["id"])

    async def export(self, project: int, **fields: str) -> dict[str, Any]:
        """Export a project and wait for the end."""
        started = await self.call("POST", f"/projects/{project}/export", data=fields)
        assert started.status == 202, started
        return await self._until(f"/projects/{project}/export", "export_status")

    async def download(self, project: int, target: Path) -> str:
        """Download the archive of a finished export; give its SHA-256."""
        digest = hashlib.sha256()
        path = f"{self._api}/projects/{project}/export/download"
        async with self._session.get(path, headers=self._headers) as response:
            assert response.status == 200, await response.text()
            with target.open("wb") as file:
                async for chunk in response.content.iter_chunked(1024 * 1024):
                    digest.update(chunk)
                    file.write(chunk)
        return digest.hexdigest()

    async def _until(self, path: str, key: str) -> dict[str, Any]:
        async def ended() -> dict[str, Any]:
            answer = await self.call("GET", path)
            assert answer.status == 200, answer
            status: dict[str, Any] = answer.body
            return status if status[key] in {"finished", "failed", "canceled", "none"} else {}

        return await until(ended, seconds=self._deadline)
