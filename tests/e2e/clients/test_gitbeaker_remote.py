"""@gitbeaker/rest and archives that lie elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from tests.support.buckets import presigned
from tests.support.contents import assert_round_trip, contents
from tests.support.gitbeaker import Gitbeaker
from tests.support.seaweedfs import S3Server


@pytest.fixture
def key(remote_s3: S3Server, small_archive: Path) -> str:
    """The archive as an object of the bucket."""
    key = f"remote/{uuid4().hex}.tar.gz"
    address = asyncio.run(presigned(remote_s3, key)).put
    headers = {"Content-Type": "application/gzip"}
    answer = requests.put(address, data=small_archive.read_bytes(), headers=headers, timeout=60)
    assert answer.status_code == 200
    return key


def _in_bucket(server: S3Server, key: str, path: str) -> tuple[str, ...]:
    """What importRemoteS3 takes, in its order."""
    return server.access_key, server.bucket, key, path, server.region, server.secret_key


def _exported(gitbeaker: Gitbeaker, number: int, target: Path) -> Path:
    gitbeaker.ended(number)
    gitbeaker.exported(number)
    return gitbeaker.downloaded(number, target)


def test_an_archive_elsewhere_is_imported_whole(
    gitbeaker: Gitbeaker, remote: str, name: str, small_archive: Path, tmp_path: Path
) -> None:
    scheduled = gitbeaker("ProjectImportExports.importRemote", remote, name)
    assert scheduled["import_status"] == "scheduled"
    exported = _exported(gitbeaker, scheduled["id"], tmp_path / "out.tar.gz")
    assert_round_trip(contents(small_archive), contents(exported))


def test_overrides_of_an_archive_elsewhere_count(gitbeaker: Gitbeaker, remote: str, name: str) -> None:
    # As JSON they come in snake case, unlike in the form of an upload.
    overrides = {"description": "overridden", "visibility": "internal"}
    options = {"name": "Another Name", "overwrite": False, "overrideParams": overrides}
    number = gitbeaker("ProjectImportExports.importRemote", remote, name, options)["id"]
    gitbeaker.ended(number)
    found = gitbeaker("Projects.show", number)
    assert (found["name"], found["path"]) == ("Another Name", name)
    assert (found["description"], found["visibility"]) == ("overridden", "internal")


def test_a_server_that_refuses_is_shown_with_its_reason(gitbeaker: Gitbeaker, remote: str, name: str) -> None:
    wrong = remote.replace("token=", "token=wrong")
    status, description = gitbeaker.refused("ProjectImportExports.importRemote", wrong, name)
    assert status == 400
    assert description.startswith("Failed to retrive headers: ")
    assert "403" in description


def test_an_archive_in_a_bucket_is_imported_though_it_is_asked_for_where_a_url_is_due(
    gitbeaker: Gitbeaker, remote_s3: S3Server, key: str, name: str, small_archive: Path, tmp_path: Path
) -> None:
    # GitLab answers that the url is missing, as the client asks at remote-import instead of remote-import-s3.
    words = _in_bucket(remote_s3, key, name)
    scheduled = gitbeaker("ProjectImportExports.importRemoteS3", *words)
    assert scheduled["import_status"] == "scheduled"
    exported = _exported(gitbeaker, scheduled["id"], tmp_path / "out.tar.gz")
    assert_round_trip(contents(small_archive), contents(exported))


def test_an_object_that_is_not_there_is_shown_with_its_reason(
    gitbeaker: Gitbeaker, remote_s3: S3Server, name: str
) -> None:
    words = _in_bucket(remote_s3, f"{name}.tar.gz", name)
    refused = gitbeaker.refused("ProjectImportExports.importRemoteS3", *words)
    assert refused == (400, f"File not found '{name}.tar.gz' in '{remote_s3.bucket}'")
