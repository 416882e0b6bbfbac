from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.results import Verified
from services.cli.verification import WouldFail, verify
from shared.archive.limits import Limits
from tests.support.archives import fixture, fixtures
from tests.support.projects import Dock


async def verified(archive: Path) -> Verified:
    """Give what the command tells, whichever way it ends."""
    try:
        return await verify(archive, limits=Limits(), strict=False)
    except WouldFail as error:
        return error.document


@pytest.mark.parametrize("name", [*fixtures("hostile/*.tar.gz"), *fixtures("trees/*.tar.gz")])
async def test_an_archive_is_judged_as_its_import_is(name: str, dock: Dock, tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(fixture(name))
    told = await verified(archive)
    imported = await dock.run_import(fixture(name))
    assert (told.error is None) == (imported.error is None)
    assert (told.error or "").partition("would fail: ")[2] in (imported.error or "")
    assert [
        (each.relation_name, each.line_number, each.exception_class) for each in told.failed_relations
    ] == [(each.relation, each.line_number, each.exception_class) for each in await dock.failures(imported)]
    assert told.entries == imported.progress.entries
