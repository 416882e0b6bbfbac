from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.seaweedfs import S3Server
from tests.support.vault import Vault, running_vault


@pytest.fixture
async def vault(
    database_url: str, tmp_path: Path, s3_server: S3Server, request: pytest.FixtureRequest
) -> AsyncIterator[Vault]:
    """Schedules that work; parametrize it indirectly to change its settings."""
    more = getattr(request, "param", {})
    async with running_vault(database_url, tmp_path, s3_server, **more) as running:
        yield running
