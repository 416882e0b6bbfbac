from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import stamina

from shared.database.pool import Pool
from shared.jobs import store
from shared.jobs.models import GitHubOrder, ImportOrder, Lease, RemoteSource, SourceForm
from tests.support.github.github import GitHub
from tests.support.github.repositories import Repository
from tests.support.jobs import claimed, migrated


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    """Tries follow each other at once, and are no more than they are."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture
async def lease(pool: Pool) -> Lease:
    """The lease of an import that is running."""
    order = ImportOrder(
        source=RemoteSource(url="sealed", form=SourceForm.GITHUB),
        github=GitHubOrder(full_name="octo/one", repository_id=1),
    )
    return await claimed(pool, await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c"))


@pytest.fixture
def repository(github: GitHub) -> Repository:
    return github.repository("octo/one")
