"""A large archive goes in and out in flat memory and without temporary disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.gitlab import GitLab
from tests.support.large import MIB, write_large
from tests.support.spools import FLAT, transferring, watching
from tests.support.system import System

SIZE = int(os.environ.get("CROSSDOCK_FLAT_MIB", "320"))
"""MiB of the archive: well over what a process may have, whatever it is."""


@pytest.fixture(scope="session")
def large_archive() -> Iterator[Path]:
    """A quarter of it lines, and blobs of 64 MiB."""
    with tempfile.TemporaryDirectory(prefix="crossdock-large-") as folder:
        path = Path(folder) / "large.tar.gz"
        write_large(path, relations=SIZE // 4, blobs=SIZE * 3 // 4 // 64)
        yield path


@pytest.mark.timeout(900)
async def test_a_large_archive_goes_in_and_out_in_128_mib_and_without_a_spool(
    system: System, large_archive: Path, tmp_path: Path
) -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        gitlab = GitLab(session, system.url, system.token, deadline=600)
        with transferring(system) as (spools, grown):
            imported = await gitlab.import_file(large_archive, "large")
            assert imported["import_status"] == "finished", imported
            assert imported["failed_relations"] == []
            exported = await gitlab.export(imported["id"])
            assert exported["export_status"] == "finished"
            digest = await gitlab.download(imported["id"], tmp_path / "out.tar.gz")
    with (tmp_path / "out.tar.gz").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    (tmp_path / "out.tar.gz").unlink()
    assert spools == set()
    assert max(grown.values()) < FLAT, grown


def test_the_watch_sees_a_spool_even_a_deleted_one(tmp_path: Path) -> None:
    with watching([os.getpid()]) as spools, tempfile.TemporaryFile(dir=tmp_path) as spool:
        spool.write(bytes(2 * MIB))
        spool.flush()
        while not spools:
            os.sched_yield()
    assert any(str(tmp_path) in name for name in spools)
