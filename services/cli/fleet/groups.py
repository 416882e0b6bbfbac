"""Finds groups on a server, and makes those that are missing."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import msgspec

from services.cli.client import GitLabClient
from services.cli.errors import RefusedByServer
from services.cli.json_api import JsonApi

_NOT_FOUND = 404


class _Group(msgspec.Struct, frozen=True):
    id: int


class Groups:
    """The groups of one server that were asked for. Memory: an id for each."""

    def __init__(self, client: GitLabClient) -> None:
        self._json_api = JsonApi(client.session, client.api)
        self._known: dict[str, int] = {}
        self._making = asyncio.Lock()

    async def ensure(self, path: str) -> int:
        """Find the namespace of a full path; where it is missing, make a private group, and those above it.

        May be called by many at a time. Raises RefusedByServer and ServerUnreachable.
        """
        async with self._making:
            return await self._ensure(path)

    async def _ensure(self, path: str) -> int:
        if path not in self._known:
            self._known[path] = await self._find(path) or await self._make(path)
        return self._known[path]

    async def _find(self, path: str) -> int | None:
        try:
            found = await self._json_api.call("GET", f"/namespaces/{quote(path, safe='')}", _Group)
        except RefusedByServer as error:
            if error.status != _NOT_FOUND:
                raise
            return None
        return found.body.id

    async def _make(self, path: str) -> int:
        above, _, name = path.rpartition("/")
        body: dict[str, object] = {"name": name, "path": name, "visibility": "private"}
        if above:
            body["parent_id"] = await self._ensure(above)
        # Not retried after a lost answer: the group may be there then, and the next run finds it.
        return (await self._json_api.call_once("POST", "/groups", _Group, json=body)).body.id
