from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr

from services.cli.wiring import accounts_database
from shared.settings.environment import Settings
from tests.support.instance import ROOT, Instance
from tests.support.system import System


@pytest.fixture
async def gitlab(system: System) -> AsyncIterator[Instance]:
    """Each form of Crossdock, as GitLab's own tests would ask it."""
    settings = Settings(database_url=SecretStr(system.database_url))
    async with aiohttp.ClientSession() as session, accounts_database(settings, system.data) as pool:
        yield Instance(system.url, session, pool, {ROOT: system.token})


@pytest.fixture
async def ann(gitlab: Instance) -> str:
    """A user of one test alone."""
    return await gitlab.user("ann")
