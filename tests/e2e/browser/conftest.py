"""One browser for all tests of a worker, and the standalone that they look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from services.cli.wiring import accounts_database
from shared.settings.environment import Settings
from tests.support.background import background
from tests.support.browsed import LEFT_OUT
from tests.support.browser import Visit, Windows, chromium
from tests.support.instance import ROOT, Instance
from tests.support.origin import Origin, served_origin
from tests.support.system import System

Visiting = Callable[..., AbstractAsyncContextManager[Visit]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one loop, to which the browser belongs."""
    for item in items:
        if isinstance(item, pytest.Function) and "/browser/" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gitlab(standalone_system: System) -> AsyncIterator[Instance]:
    """What the tests bring about, by the API."""
    system = standalone_system
    async with aiohttp.ClientSession() as session, accounts_database(Settings(), system.data) as pool:
        yield Instance(system.url, session, pool, {ROOT: system.token})


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def windows(standalone_system: System) -> AsyncIterator[Windows]:
    async with chromium() as browser:
        yield Windows(browser, standalone_system.url)


@pytest_asyncio.fixture(loop_scope="session")
async def ann(gitlab: Instance) -> str:
    """A user of one test alone."""
    return await gitlab.user("ann")


@pytest.fixture
def origin(keys: tuple[Path, Path]) -> Iterator[Origin]:
    """A server elsewhere that has an archive."""
    with background() as loop, loop.opened(served_origin(LEFT_OUT, keys)) as served:
        yield served


@pytest.fixture
def visiting_as(windows: Windows, gitlab: Instance) -> Visiting:
    """Opens a window of a user, by the name."""

    def visit(name: str | None = None, **more: Any) -> AbstractAsyncContextManager[Visit]:
        return windows.visiting(token=None if name is None else gitlab.tokens[name], **more)

    return visit


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visiting_as: Visiting, ann: str) -> AsyncIterator[Visit]:
    """A window of Ann."""
    async with visiting_as(ann) as opened:
        yield opened
