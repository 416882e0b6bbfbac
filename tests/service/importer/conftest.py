from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.github.docked import GitHubDock, connected
from tests.support.github.github import GitHub
from tests.support.jobs import migrated
from tests.support.projects import Dock


@pytest.fixture
async def dock(database_url: str, tmp_path: Path) -> AsyncIterator[Dock]:
    async with migrated(database_url) as pool:
        yield Dock(pool, tmp_path)


@pytest.fixture
async def hub(
    dock: Dock, github: GitHub, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GitHubDock]:
    """A GitHub that the importer may ask."""
    async with connected(dock, github, tmp_path_factory.mktemp("served")) as made:
        yield made
