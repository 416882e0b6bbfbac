from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.counting import CountingStore
from tests.support.jobs import migrated
from tests.support.projects import Dock


@pytest.fixture
async def dock(database_url: str, tmp_path: Path) -> AsyncIterator[Dock]:
    async with migrated(database_url) as pool:
        yield Dock(pool, tmp_path)


@pytest.fixture
def store(dock: Dock) -> CountingStore:
    """The store of the dock, which counts what is asked of it."""
    counting = CountingStore(dock.root)
    dock.store = counting
    return counting
