"""Who may ask the stand-in GitHub, how often, and where it fails on purpose."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.github.records import User

HOUR = 3600
DOCUMENTATION = "https://docs.github.com/rest"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came; ``path`` has its query."""

    host: str
    path: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Token:
    """What a token may do; ``scopes`` are those of a classic one."""

    user: User
    scopes: tuple[str, ...] = ("repo", "read:org")


@dataclass(slots=True)
class Limit:
    """The primary limit of a token: so many requests an hour, anew at ``reset``, a POSIX time stamp."""

    limit: int = 5000
    remaining: int = 5000
    reset: int = field(default_factory=lambda: int(time.time()) + HOUR)

    def take(self) -> bool:
        """Take one request; tell whether there was one."""
        self._renew()
        has_one = self.remaining > 0
        self.remaining -= has_one
        return has_one

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Used": str(self.limit - self.remaining),
            "X-RateLimit-Reset": str(self.reset),
            "X-RateLimit-Resource": "core",
        }

    def as_json(self) -> dict[str, int]:
        used = self.limit - self.remaining
        return {"limit": self.limit, "remaining": self.remaining, "reset": self.reset, "used": used}

    def _renew(self) -> None:
        if time.time() >= self.reset:
            self.remaining, self.reset = self.limit, int(time.time()) + HOUR


@dataclass(slots=True)
class Fault:
    """What happens to requests whose path and query match, ``times`` times.

    ``cut_after`` is after how many bytes of its body a good answer breaks off; else it is an error, JSON
    where it has a ``message``, and the HTML of a proxy where not. ``body`` is in place of a good answer.
    """

    pattern: str
    times: int = 1
    status: int = 502
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    body: bytes | None = None

    def applies(self, request: web.Request) -> bool:
        """Tell whether it happens to this request, and count that."""
        is_due = self.times > 0 and re.search(self.pattern, request.path_qs) is not None
        self.times -= is_due
        return is_due

    def answer(self) -> web.Response:
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        if not self.message:
            page = "<html><title>Unicorn!</title></html>"
            return web.Response(status=self.status, text=page, content_type="text/html", headers=self.headers)
        return problem(self.status, self.message, self.headers)


@dataclass(slots=True)
class Hold:
    """A request whose path and query match gets no answer: ``reached`` tells of it, ``left`` of its end."""

    pattern: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def applies(self, request: web.Request) -> bool:
        return re.search(self.pattern, request.path_qs) is not None

    async def keep(self) -> None:
        """Keep a request for as long as its client waits."""
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


def problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Make an error as GitHub words them."""
    body = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
    return web.json_response(body, status=status, headers=headers)
