"""A data folder belongs to one process, and one that cannot be used is told of in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.standalone.data_folder import owned
from services.standalone.errors import DataFolderInUse, DataFolderUnusable


def test_a_folder_belongs_to_one_process_for_as_long_as_that_works_with_it(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    for _ in range(2):
        with (
            owned(data),
            pytest.raises(DataFolderInUse, match=f"in use by process {os.getpid()}: "),
            owned(data),
        ):
            pass


@pytest.fixture(params=["no folder", "full"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder that cannot be made, and one on a device that is full."""
    data = tmp_path / "data"
    if request.param == "full":
        data.mkdir()
        (data / "standalone.lock").symlink_to("/dev/full")
    else:
        data.write_text("a file")
    return data


def test_a_folder_that_cannot_be_written_is_one_sentence(unusable: Path) -> None:
    told = r"cannot be used: (no space left|it is a file, not a folder)"
    with pytest.raises(DataFolderUnusable, match=told), owned(unusable):
        pass
