"""A receiver of webhooks as others would write one: it knows the standard's library and its secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

SOON = 60.0


@dataclass(frozen=True, slots=True)
class Hook:
    """One request that came whole: its headers in small letters."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def event(self, secret: str) -> Any:
        """The event, once the library has checked that it is signed with the secret and not old."""
        verified = Webhook(secret).verify(self.body, dict(self.headers))
        assert verified == json.loads(self.body)
        return verified


@dataclass(slots=True)
class HookReceiver:
    """Answers by ``statuses`` in order, then by 200; 0 leaves a request without an answer until the end.

    What is about a job of ``refused`` is answered by 500.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    headers: dict[str, str] = field(default_factory=dict)
    hooks: asyncio.Queue[Hook] = field(default_factory=asyncio.Queue)
    at_once: int = 0
    most_at_once: int = 0
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        """Take a request."""
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        body = await request.read()
        status = self.statuses.pop(0) if self.statuses else 200
        if json.loads(body)["data"].get("job", {}).get("id") in self.refused:
            status = 500
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.hooks.put_nowait(Hook(headers, body))
        if not status:
            await self._closing.wait()
        self.at_once -= 1
        return web.Response(status=status or 200, headers=self.headers)

    async def take(self, count: int) -> list[Hook]:
        """The next requests."""
        async with asyncio.timeout(SOON):
            return [await self.hooks.get() for _ in range(count)]

    def close(self) -> None:
        """Answer what was left without an answer."""
        self._closing.set()


@asynccontextmanager
async def hooked(*statuses: int) -> AsyncIterator[HookReceiver]:
    """Run a receiver on this machine."""
    receiver = HookReceiver(statuses=list(statuses))
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver
        receiver.close()
