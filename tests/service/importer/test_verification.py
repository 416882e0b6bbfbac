from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.cli.formats import explained
from services.cli.results import VerificationResult
from services.cli.verification import ImportWouldFail, verify
from shared.archive.limits import Limits
from tests.support.contents import Contents, assert_accepted_by_gnu, assert_round_trip, contents
from tests.support.projects import Dock, Imported
from tests.support.samples.table import SAMPLES, archive, further


async def verified(archive: Path) -> VerificationResult:
    """Give what the command tells, whichever way it ends."""
    try:
        return await verify(archive, limits=Limits(), strict=False)
    except ImportWouldFail as error:
        return error.document


async def _verified_and_imported(archive: Path, dock: Dock) -> tuple[VerificationResult, Imported]:
    """Both come to the same."""
    told = await verified(archive)
    imported = await dock.run_import(await asyncio.to_thread(archive.read_bytes))
    assert (told.error is None) == (imported.error is None)
    assert (told.error or "").partition("would fail: ")[2] in explained(imported.error or "")
    assert [
        (each.relation_name, each.line_number, each.exception_class) for each in told.failed_relations
    ] == [(each.relation, each.line_number, each.exception_class) for each in await dock.failures(imported)]
    assert told.entries == imported.progress.entries
    return told, imported


async def _exported(dock: Dock, target: Path) -> Contents:
    await asyncio.to_thread(target.write_bytes, await dock.run_export())
    assert_accepted_by_gnu(target)
    return contents(target)


@pytest.mark.parametrize("name", SAMPLES)
async def test_an_archive_comes_to_what_is_known_of_it(name: str, dock: Dock, tmp_path: Path) -> None:
    told, imported = await _verified_and_imported(archive(name), dock)
    sample = SAMPLES[name]
    assert sample.error in (imported.error or "")
    assert bool(sample.error) == bool(imported.error)
    failed = [(each.relation_name, each.line_number, each.exception_class) for each in told.failed_relations]
    assert sorted(failed, key=str) == [failure[:3] for failure in sample.failures]
    if not sample.error:
        assert_round_trip(
            contents(archive(name)),
            await _exported(dock, tmp_path / "out.tar.gz"),
            failed={(failure.relation, failure.line) for failure in sample.failures},
        )


@pytest.mark.parametrize("path", [archive("small"), *further()], ids=lambda path: path.name)
async def test_an_archive_from_elsewhere_comes_out_as_it_went_in_unless_it_is_refused(
    path: Path, dock: Dock, tmp_path: Path
) -> None:
    told, imported = await _verified_and_imported(path, dock)
    if imported.error:
        await dock.collect()
        assert (await dock.snapshots(), dock.stored()) == ([], [])
    elif not told.failed_relations:
        assert_round_trip(contents(path), await _exported(dock, tmp_path / "out.tar.gz"))
