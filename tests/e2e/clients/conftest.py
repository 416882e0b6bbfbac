"""Clients of their users, and archives that need no fixtures beside the checkout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import gitlab
import pytest

from tests.support.clients import Curl
from tests.support.large import write_large
from tests.support.system import System


@pytest.fixture
def gl(system: System) -> Iterator[gitlab.Gitlab]:
    """python-gitlab as the first administrator."""
    with gitlab.Gitlab(system.url, private_token=system.token, timeout=60) as client:
        client.auth()
        yield client


@pytest.fixture
def curl(system: System, tmp_path: Path) -> Curl:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    return Curl(system.url, system.token, tmp_path)


@pytest.fixture
def name() -> str:
    """A path that is free; short enough to stand whole in the name of a download."""
    return f"p-{uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1 MiB of lines and two blobs of 1 MiB."""
    archive = tmp_path_factory.mktemp("archives") / "small.tar.gz"
    write_large(archive, relations=1, blobs=2, blob_size=1)
    return archive


@pytest.fixture(scope="session")
def long_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 MiB that cannot be compressed: long enough to be stopped on the way."""
    archive = tmp_path_factory.mktemp("archives") / "long.tar.gz"
    write_large(archive, relations=0, blobs=1, blob_size=16)
    return archive
