"""``crossdock admin check`` compares a bucket with the database, and says by its exit code what it found."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from services.cli.errors import ServerUnreachable, UsageError
from services.cli.store_check import check, parse_subset, print_finding
from shared.audit import auditor
from shared.audit.indexed import IndexedObject
from shared.database.pool import database
from shared.ledger import objects
from shared.storage.base import ObjectInfo
from shared.storage.errors import OperationFailed
from shared.storage.filesystem import FilesystemStore
from shared.storage.s3 import S3Store, s3_store
from tests.support.command import run_beside
from tests.support.objects import put, s3_config
from tests.support.seaweedfs import S3Server


def known(number: int) -> IndexedObject:
    return IndexedObject(
        id=number, key="", kind="pack", is_damaged=False, size=1, sha256=None, checksums=None
    )


@pytest.mark.parametrize(("subset", "read"), [("1/3", [1, 4]), ("3/3", [3]), ("100%", [1, 2, 3, 4])])
def test_a_part_is_named_by_its_number_or_in_percent(subset: str, read: list[int]) -> None:
    is_read = parse_subset(subset)
    assert [number for number in range(1, 5) if is_read(known(number))] == read


@pytest.mark.parametrize("subset", ["", "0%", "101%", "5", "0/3", "4/3", "1/0", "-1/3", "x%"])
def test_what_is_no_part_is_a_usage_error(subset: str) -> None:
    with pytest.raises(UsageError, match="is no part"):
        parse_subset(subset)


@pytest.fixture
async def bucket(
    s3_server: S3Server, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[S3Store]:
    """The bucket of the environment, with an object of three bytes."""
    config = s3_config(s3_server)
    given = {
        "DATABASE_URL": database_url, "S3_BUCKET": config.bucket, "S3_PREFIX": config.prefix,
        "S3_ENDPOINT_URL": s3_server.endpoint, "S3_REGION": s3_server.region,
        "S3_ACCESS_KEY_ID": s3_server.access_key, "S3_SECRET_ACCESS_KEY": s3_server.secret_key,
        "COLLECT_GRACE_SECONDS": "60",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"CROSSDOCK_{name}", value)
    async with database(database_url, size=1) as pool, s3_store(config) as store:
        await store.ensure_bucket()
        named = await objects.register(pool, kind="pack")
        await put(store, named.key, b"abc")
        await objects.record_stored(pool, named.id, size=3, sha256=bytes(32))
        yield store


@pytest.mark.usefixtures("bucket")
async def test_a_store_that_is_right_is_told_by_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_beside(monkeypatch, "admin", "check") == 0
    assert capsys.readouterr().out == "1 object checked, 0 of them read (0 bytes)\n"


async def test_each_finding_is_a_line_and_a_member_of_the_document(
    bucket: S3Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with aclosing(bucket.list()) as found:
        [key] = [each.key async for each in found]
    assert await run_beside(monkeypatch, "admin", "check", "--read-data") == 1
    told = capsys.readouterr()
    assert told.out == f"object_digest: {key}: it has another SHA-256\n"
    assert "crossdock: 1 finding\n" in told.err
    arguments = ("admin", "check", "--read-data-subset", "1/1", "--json", "--repair")
    assert await run_beside(monkeypatch, *arguments) == 1
    document = json.loads(capsys.readouterr().out)
    finding = {
        "kind": "object_digest", "object": key, "snapshot": None, "entry": None,
        "reason": "it has another SHA-256", "repaired": True,
    }  # fmt: skip
    assert document == {  # its bytes are read once more before it is told
        "error": "1 finding", "error_code": "check_failed", "objects": 1, "read": 1, "bytes": 6,
        "counts": {"object_digest": 1}, "findings": [finding],
    }  # fmt: skip


class Lost(FilesystemStore):
    """A store that is away from the second object on."""

    asked = 0

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        self.asked += 1
        if self.asked > 1:
            raise OperationFailed("stat", key, reason="unreachable")
        return ObjectInfo(key, 1)

    async def check(self) -> None:
        """See ObjectStore."""
        raise OperationFailed("check", "", reason="unreachable")


async def test_a_store_that_does_not_answer_ends_the_check_and_where_to_go_on_is_told(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(auditor, "AT_ONCE", 1)
    async with database(database_url, size=1) as pool:
        for _ in range(2):
            named = await objects.register(pool, kind="pack")
            await objects.record_stored(pool, named.id, size=1, sha256=None)
        with pytest.raises(ServerUnreachable, match=r"the object storage does not answer: .* unreachable"):
            await check(
                pool, Lost(tmp_path), is_read=lambda _: False, first=0, repairs=False,
                grace=timedelta(0), found=print_finding,
            )  # fmt: skip
    assert capsys.readouterr().err == "Go on with --start 2\n"
