from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.accounts.models import User
from shared.projects.models import Project
from tests.support.api import Api, running_api
from tests.support.commands import Forge, forge


@pytest.fixture
async def api(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """The running application; parametrize it indirectly to change its configuration."""
    async with running_api(database_url, tmp_path / "objects", **getattr(request, "param", {})) as running:
        yield running


@pytest.fixture
async def ann(api: Api) -> User:
    """A user."""
    return await api.user("ann")


@pytest.fixture
async def project(api: Api, ann: User) -> Project:
    """Her project."""
    return await api.project(ann)


@pytest.fixture
async def open_api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(database_url, tmp_path / "objects") as running:
        await running.user("ann")
        yield running


@pytest.fixture
async def other(open_api: Api) -> AsyncIterator[Forge]:
    async with forge(open_api) as sending:
        yield sending
