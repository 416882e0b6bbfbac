from __future__ import annotations

import pytest

from services.exporter import planner
from services.exporter.project_planner import ProjectPlanner
from shared.exports.archive_reader import ArchiveReader
from shared.jobs.progress import Progress
from tests.support.jobs import claimed
from tests.support.projects import Dock, ndjson, project

CONTENT = project(("uploads/a", bytes(3000)), issues=ndjson(b'{"iid":1}'))


async def read(dock: Dock) -> bytes:
    """The archive of the plan that a job makes, which has no row."""
    job = await dock.order_export()
    lease = await claimed(dock.pool, job)
    plans = ProjectPlanner(dock.pool, dock.store, dock.blocks)
    async with plans.plan(job, lease, Progress(), description="d") as plan:
        pieces = ArchiveReader(dock.pool, dock.blocks).read_plan(plan.archive)
        return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("longest_head", [256 * 1024, 0])
@pytest.mark.parametrize("content", [[CONTENT], []])
async def test_a_plan_without_a_row_is_read_as_the_archive_of_an_export(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, longest_head: int, content: list[bytes]
) -> None:
    monkeypatch.setattr(planner, "_LONGEST_HEAD", longest_head)
    for packed in content:
        await dock.run_import(packed)
    assert await read(dock) == await dock.run_export(description="d")
