"""Clients of the GitHub for tests, as Crossdock has them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import json
from yarl import URL

from shared.github.client import LARGEST, PAGE, GitHubClient
from shared.remote.addresses import Policy
from shared.remote.client import Deadlines, RemoteClient
from shared.remote.resolver import TableResolver
from tests.support.github.github import HOSTS, TOKEN, GitHub
from tests.support.remote import PATIENT

_POLICY = Policy(schemes=("http",), allowed=("127.0.0.2",))


def remote_client() -> RemoteClient:
    """Give a client that reaches the hosts of every GitHub for tests."""
    return RemoteClient(_POLICY, TableResolver(HOSTS), deadlines=Deadlines(idle=PATIENT))


def github_client(
    github: GitHub,
    *,
    token: str = TOKEN,
    largest: int = LARGEST,
    page_size: int = PAGE,
    clock: Callable[[], datetime] | None = None,
) -> GitHubClient:
    """Give a client of a GitHub."""
    told: dict[str, Any] = {} if clock is None else {"clock": clock}
    return GitHubClient(
        remote_client(), URL(github.site.api), token=token, largest=largest, page_size=page_size, **told
    )


async def listed(client: GitHubClient, path: str, **more: Any) -> list[Any]:
    """Read all of a list."""
    return [json.decode(item) async for page in client.pages(path, **more) for item in page.items]
