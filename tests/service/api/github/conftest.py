from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stamina

from shared.outbound.remote_imports import RemoteImportPolicy
from tests.support.api import Api, running_api
from tests.support.github.description import Description
from tests.support.github.github import ENTERPRISE_HOST, GitHub
from tests.support.github.imports import NAMES
from tests.support.github.repositories import Repository


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    """Tries follow each other at once, and are no more than they are."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
async def api(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """The application, which may ask the servers of these tests, by https and by http."""
    config = {"outbound_local_requests_allowlist": ("127.0.0.2",)} | getattr(request, "param", {})
    remote = RemoteImportPolicy(schemes=("https", "http"), resolver=NAMES)
    async with running_api(database_url, tmp_path / "objects", remote=remote, **config) as running:
        await running.user("ann")
        yield running


@pytest.fixture
async def github(github_description: Description) -> AsyncIterator[GitHub]:
    """An Enterprise Server."""
    async with GitHub(github_description, enterprise=ENTERPRISE_HOST).serve() as served:
        yield served
    assert served.violations == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    return github.repository("octo/Hello.World", description="Greets")
