"""A GitHub for tests: what it has, who may read it, and what goes wrong; ``server`` answers for it."""

from __future__ import annotations

import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.test_utils import TestServer

from tests.support.github.description import Description
from tests.support.github.limits import Asked, Fault, Hold, Limit, Token
from tests.support.github.records import Asset, User
from tests.support.github.rendering import Site
from tests.support.github.repositories import Repository
from tests.support.github.server import Server
from tests.support.tls_front import cut

TOKEN = "ghp_s3cret"
ADDRESS = "127.0.0.2"
API_HOST, WEB_HOST, OBJECTS_HOST = "api.github.test", "github.test", "objects.github.test"
ENTERPRISE_HOST = "github.example.test"
HOSTS = {host: [ADDRESS] for host in (API_HOST, WEB_HOST, OBJECTS_HOST, ENTERPRISE_HOST)}
"""Names for a TableResolver."""

_REMEMBERED = 10_000
"""Requests that are kept, at most."""


class GitHub:
    """The store of github.com, or of the Enterprise Server that ``enterprise`` names, whose ``limit`` is off.

    Who resolves no names of tests may have an Enterprise Server at ``ADDRESS``.

    Answers are held to the ``description``, unless that is None; ``violations`` are those that were not as it
    has them.
    It speaks TLS where ``tls`` is given, on 127.0.0.1.
    ``git`` is where ``clone_url`` points: to the web host, unless something else serves the repositories.
    """

    def __init__(
        self,
        description: Description | None,
        *,
        enterprise: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._scheme = "https" if tls else "http"
        self.description = description
        self.enterprise = enterprise
        self.prefix = "/api/v3" if enterprise else ""
        self.limit: Limit | None = None if enterprise else Limit()
        self.faults: list[Fault] = []
        self.holds: list[Hold] = []
        self.violations: list[str] = []
        self.asked: deque[Asked] = deque(maxlen=_REMEMBERED)
        self.statuses: Counter[int] = Counter()
        self.port = 0
        self.git = ""
        self.users: dict[str, User] = {}
        self.repositories: dict[str, Repository] = {}
        self.attachments: dict[str, Asset] = {}
        self.me = self.user("me")
        self.tokens = {TOKEN: Token(self.me)}

    @property
    def site(self) -> Site:
        """Where it is; its port is known once it is served."""
        web = f"{self._scheme}://{self.enterprise or WEB_HOST}:{self.port}"
        api = f"{self._scheme}://{self.enterprise or API_HOST}:{self.port}{self.prefix}"
        return Site(api, web, self.git or web)

    @property
    def objects(self) -> str:
        """Where the bytes of files are."""
        return f"{self._scheme}://{self.enterprise or OBJECTS_HOST}:{self.port}"

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return self.statuses.total()

    def user(self, login: str, **more: Any) -> User:
        """Give the account of a name, which is made where there is none; ``more`` says what it shows."""
        return self.users.setdefault(login, User(login, 100 + len(self.users), **more))

    def repository(self, path: str, **more: Any) -> Repository:
        """Make a repository, of an account that is made where there is none."""
        owner, _, name = path.partition("/")
        return self.add(Repository(owner=self.user(owner), name=name, **more))

    def add(self, repository: Repository) -> Repository:
        """Serve a repository."""
        self.repositories[repository.path.lower()] = repository
        return repository

    def rename(self, repository: Repository, name: str) -> None:
        """Rename a repository: the old path redirects."""
        repository.name = name
        self.add(repository)

    def attachment(self, path: str, content: bytes, kind: str = "image/png") -> str:
        """Put a file at a path of the web host, such as ``/user-attachments/assets/1``; give its address."""
        self.attachments[path] = Asset(path.rpartition("/")[2], content, kind)
        return f"{self.site.web}{path}"

    def fail(
        self,
        pattern: str,
        status: int = 502,
        *,
        times: int = 1,
        message: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next requests that match with an error."""
        self.faults.append(Fault(pattern, times, status, message, headers or {}))

    def slow_down(self, pattern: str, *, seconds: int | None, status: int = 403) -> None:
        """Answer the next request that matches by the secondary limit."""
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        self.fail(pattern, status, message="You have exceeded a secondary rate limit.", headers=headers)

    def say(self, pattern: str, body: bytes, *, times: int = 100) -> None:
        """Answer requests that match with these bytes, whatever they are."""
        self.faults.append(Fault(pattern, times, body=body))

    def hold(self, pattern: str) -> Hold:
        """Give no answer to requests that match."""
        self.holds.append(Hold(pattern))
        return self.holds[-1]

    def cut(self, pattern: str, *, after: int, times: int = 1) -> None:
        """Break the next answers that match off after so many bytes of their bodies."""
        self.faults.append(Fault(pattern, times, cut_after=after))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[GitHub]:
        """Listen on a free port of ``ADDRESS``, to which ``HOSTS`` lead."""
        host = "127.0.0.1" if self._tls else ADDRESS
        server = TestServer(Server(self).app(), host=host, scheme=self._scheme)
        await server.start_server(ssl=self._tls)
        self.port = server.port or 0
        try:
            yield self
        finally:
            await server.close()
            await cut(self.port)
