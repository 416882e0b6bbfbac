from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from tests.support.audits import AuditedStore
from tests.support.jobs import migrated
from tests.support.projects import Dock, ndjson, project

LARGE = Random(5).randbytes(2 * 1024 * 1024 + 5)  # noqa: S311  # the same every time
"""A blob of three blocks, in an object of its own."""


@pytest.fixture
async def dock(database_url: str, tmp_path: Path) -> AsyncIterator[Dock]:
    """An importer whose project has relations, small files and a large one."""
    async with migrated(database_url) as pool:
        dock = Dock(pool, tmp_path)
        dock.store = AuditedStore(tmp_path)
        packed = project(
            ("uploads/1/small", b"small"),
            ("uploads/1/large", LARGE),
            issues=ndjson(b'{"title":"one"}', b'{"title":"two"}'),
            project_feature=b"null\n",
        )
        assert (await dock.run_import(packed)).error is None
        yield dock


@pytest.fixture
def store(dock: Dock) -> AuditedStore:
    assert isinstance(dock.store, AuditedStore)
    return dock.store
