"""Addresses by which others read an object from the store, where it has some."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from multidict import CIMultiDictProxy
from prometheus_client import CollectorRegistry
from yarl import URL

from shared.metrics.storage import StorageMetrics
from shared.storage.errors import KeyInvalid, OperationRefused
from shared.storage.filesystem import FilesystemStore
from shared.storage.observed import ObservedStore
from shared.storage.s3 import S3Config, S3Store, s3_store
from tests.support.objects import pattern, put, s3_config
from tests.support.seaweedfs import S3Server

KEY = "archives/1"
DATA = pattern(100_000)
HEADERS = {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": "attachment; filename=\"a b.tar.gz\"; filename*=UTF-8''a%20b.tar.gz",
}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def config(s3_server: S3Server) -> S3Config:
    return s3_config(s3_server)


@pytest.fixture
async def store(config: S3Config) -> AsyncIterator[S3Store]:
    async with s3_store(config) as opened:
        await opened.ensure_bucket()
        await put(opened, KEY, DATA)
        yield opened


async def asked(
    address: str | None, method: str = "GET", **headers: str
) -> tuple[int, CIMultiDictProxy[str], bytes]:
    """What a stranger gets at an address."""
    assert address is not None
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.request(method, URL(address, encoded=True), headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def test_anybody_reads_the_object_under_the_given_name_and_type(store: S3Store) -> None:
    address = await store.presign(KEY, method="GET", valid=MINUTE, headers=HEADERS)
    status, headers, body = await asked(address)
    assert (status, body) == (200, DATA)
    assert {name: headers[name] for name in HEADERS} == HEADERS


async def test_a_range_is_read_as_well(store: S3Store) -> None:
    address = await store.presign(KEY, method="GET", valid=MINUTE, headers={})
    status, headers, body = await asked(address, Range="bytes=7-1006")
    assert (status, body) == (206, DATA[7:1007])
    assert headers["Content-Range"] == f"bytes 7-1006/{len(DATA)}"


async def test_an_address_is_for_one_method(store: S3Store) -> None:
    head = await store.presign(KEY, method="HEAD", valid=MINUTE, headers=HEADERS)
    status, headers, _ = await asked(head, "HEAD")
    assert (status, headers["Content-Length"]) == (200, str(len(DATA)))
    for method in ("GET", "PUT", "DELETE"):
        assert (await asked(head, method))[0] == 403


async def test_an_address_is_for_one_object_and_for_the_time_that_it_says(store: S3Store) -> None:
    await put(store, "archives/2", b"other")
    address = await store.presign(KEY, method="GET", valid=MINUTE, headers={})
    assert (await asked(address.replace("archives/1", "archives/2")))[0] == 403
    assert parse_qs(urlsplit(address).query)["X-Amz-Expires"] == ["60"]
    assert (await asked(address.replace("X-Amz-Expires=60", "X-Amz-Expires=61")))[0] == 403


async def test_nothing_is_asked_of_the_server(config: S3Config) -> None:
    async with s3_store(replace(config, endpoint_url="http://127.0.0.1:9")) as away:
        address = await away.presign("archives/lost", method="GET", valid=MINUTE, headers={})
    assert address.startswith("http://127.0.0.1:9/")


async def test_without_credentials_there_is_no_address(
    config: S3Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    async with s3_store(replace(config, access_key=None, secret_key=None)) as store:
        with pytest.raises(OperationRefused):
            await store.presign(KEY, method="GET", valid=MINUTE, headers={})


async def test_files_have_no_addresses(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    await put(store, KEY)
    assert await store.presign(KEY, method="GET", valid=MINUTE, headers=HEADERS) is None


async def test_a_store_that_is_observed_has_the_addresses_of_the_one_below(
    store: S3Store, tmp_path: Path
) -> None:
    watch = StorageMetrics(CollectorRegistry())
    files = ObservedStore(FilesystemStore(tmp_path), watch)
    assert await files.presign(KEY, method="GET", valid=MINUTE, headers=HEADERS) is None
    address = await ObservedStore(store, watch).presign(KEY, method="GET", valid=MINUTE, headers=HEADERS)
    assert (await asked(address))[2] == DATA


async def test_a_key_outside_the_rules_has_no_address(store: S3Store, tmp_path: Path) -> None:
    for each in (store, FilesystemStore(tmp_path)):
        with pytest.raises(KeyInvalid):
            await each.presign("../x", method="GET", valid=MINUTE, headers={})
