"""Repairs delete nothing that a project names: orphans go by the collector, damage is told by exports."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta

import pytest

from shared.audit.auditor import Auditor
from shared.audit.repairs import Repairs
from shared.ledger.collector import Collector
from shared.ledger.presence import ObjectDamaged
from tests.service.audit.conftest import LARGE
from tests.support.audits import GRACE, aged, audited
from tests.support.counting import flip
from tests.support.objects import put
from tests.support.projects import Dock, files, project


async def repaired(dock: Dock) -> list[tuple[str, bool]]:
    """Read everything and repair; give each finding, and whether something was done."""
    auditor, repairs = Auditor(dock.pool, dock.store, grace=GRACE), Repairs(dock.pool)
    async with aclosing(auditor.audit(lambda _: True)) as findings:
        done = [await repairs.repair(finding) async for finding in findings]
    return [(finding.kind.value, finding.repaired) for finding in done]


async def test_an_orphan_is_collected_a_grace_time_later(dock: Dock) -> None:
    await put(dock.store, "packs/00/old", b"1")
    aged(dock.root / "packs/00/old")
    assert await repaired(dock) == [("orphan", True)]
    collector = Collector(dock.pool, dock.store, grace=GRACE)
    assert await collector.collect_objects() == 0
    assert await audited(dock) == []
    await dock.pool.execute(
        """UPDATE objects SET touched_at = now() - interval '1 day' WHERE state = 'deleting';
           UPDATE suspects SET due_at = now()"""
    )
    assert await collector.collect_objects() == 1
    assert not dock.stored("packs/00/")


async def test_an_export_of_a_damaged_object_fails_at_once_and_its_content_can_be_imported_again(
    dock: Dock,
) -> None:
    [damaged] = dock.stored("blobs/")
    await dock.run_export()  # its objects have just been seen
    flip(dock.root / damaged, 5000)
    assert await repaired(dock) == [("object_block", True), ("entry", False)]
    with pytest.raises(ObjectDamaged, match=damaged):
        await dock.run_export()
    second = await dock.add_project("second")
    packed = project(("uploads/1/large", LARGE))
    assert (await dock.run_import(packed, project_id=second)).error is None
    assert files(await dock.run_export(project_id=second))["uploads/1/large"] == LARGE
    assert (dock.root / damaged).exists()
    assert [kind for kind, _ in await repaired(dock)] == ["object_block", "entry"]


async def test_an_object_whose_bytes_are_right_again_is_used_again(dock: Dock) -> None:
    [damaged] = dock.stored("blobs/")
    flip(dock.root / damaged, 5000)
    await repaired(dock)
    flip(dock.root / damaged, 5000)
    assert [each.kind.value for each in await audited(dock, reads=False)] == ["object_damaged"]
    assert await repaired(dock) == [("object_undamaged", True)]
    assert await audited(dock) == []
    assert files(await dock.run_export())["uploads/1/large"] == LARGE


async def test_a_blob_that_is_right_again_stands_beside_the_one_that_took_its_place(dock: Dock) -> None:
    [damaged] = dock.stored("blobs/")
    flip(dock.root / damaged, 5000)
    await repaired(dock)
    second = await dock.add_project("second")
    await dock.run_import(project(("uploads/1/large", LARGE)), project_id=second)
    flip(dock.root / damaged, 5000)
    assert await repaired(dock) == [("object_undamaged", True)]
    for number in (1, second):
        assert files(await dock.run_export(project_id=number))["uploads/1/large"] == LARGE


async def test_a_damaged_object_that_nothing_names_is_collected(dock: Dock) -> None:
    [damaged] = dock.stored("blobs/")
    flip(dock.root / damaged, 5000)
    await repaired(dock)
    await dock.pool.execute("DELETE FROM projects")
    await Collector(dock.pool, dock.store, grace=timedelta(0)).collect_snapshots()
    await dock.collect()
    assert dock.stored("blobs/") == []
