"""git beside the API of a GitHub for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.github.github import ADDRESS, GitHub
from tests.support.remote import Handler, Servers


@asynccontextmanager
async def served_beside(github: GitHub, handler: Handler) -> AsyncIterator[None]:
    """Let ``handler`` answer for the repositories of an Enterprise Server."""
    async with AsyncExitStack() as stack:
        github.git = f"http://{ADDRESS}:{await Servers(stack).http(handler)}"
        yield
