from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.database.pool import Pool
from shared.storage.filesystem import FilesystemStore
from tests.support.jobs import migrated


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path)
