from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import get_session

from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, JobKind
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.settings.application import ApplicationSettings
from tests.support.api import ARCHIVE, Answer, Api, running_api
from tests.support.buckets import made_bucket
from tests.support.remote import read_all
from tests.support.sealing import opened
from tests.support.seaweedfs import S3Server

ALLOWED: dict[str, Any] = {"outbound_local_requests_allowlist": ("127.0.0.1",)}


@dataclass(frozen=True, slots=True)
class Shop:
    """The application, and what it is asked for: an archive in a real bucket."""

    api: Api
    remote: RemoteImportPolicy
    given: dict[str, str]

    async def ask(self, to: str = "remote-import-s3", /, **changed: str | None) -> Answer:
        """Ask for it; what is changed to None is left out."""
        given: dict[str, Any] = {**self.given, **changed}
        sent = {name: value for name, value in given.items() if value is not None}
        return await self.api.post(f"/projects/{to}", by="ann", json=sent)

    async def source(self, answer: Answer) -> str:
        """The address that the job will fetch."""
        assert answer.status == 201, answer
        job = await jobs.find_newest(self.api.pool, answer.body["id"], JobKind.REMOTE_IMPORT)
        assert job is not None
        order = opened(job)
        assert isinstance(order, ImportOrder)
        assert order.source is not None
        return order.source.url


@pytest.fixture
async def shop(
    database_url: str, tmp_path: Path, s3_server: S3Server, request: pytest.FixtureRequest
) -> AsyncIterator[Shop]:
    await made_bucket(s3_server)
    await _put(s3_server, "remote/a b.tar.gz", "application/gzip")
    await _put(s3_server, "remote/odd", "binary/odd")
    remote = RemoteImportPolicy(schemes=("https", "http"), s3_endpoint_url=s3_server.endpoint)
    given = {
        "region": s3_server.region,
        "bucket_name": s3_server.bucket,
        "file_key": "remote/a b.tar.gz",
        "access_key_id": s3_server.access_key,
        "secret_access_key": s3_server.secret_key,
        "path": "remote",
    }
    config = ALLOWED | getattr(request, "param", {})
    async with running_api(database_url, tmp_path / "objects", remote=remote, **config) as api:
        await api.user("ann")
        yield Shop(api, remote, given)


async def _put(server: S3Server, key: str, kind: str) -> None:
    async with get_session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    ) as client:
        await client.put_object(Bucket=server.bucket, Key=key, Body=ARCHIVE, ContentType=kind)


async def test_an_object_of_a_bucket_is_imported_and_its_keys_are_not_kept(shop: Shop) -> None:
    answer = await shop.ask()

    url = await shop.source(answer)
    assert answer.body["import_type"] == "gitlab_project"
    assert await read_all(shop.remote.client(ApplicationSettings(**ALLOWED)), url) == ARCHIVE
    kept = await shop.api.pool.fetchval("SELECT jobs::text FROM jobs")
    assert shop.given["secret_access_key"] not in kept


async def test_gitbeaker_asks_for_s3_at_the_other_address(shop: Shop) -> None:
    assert (await shop.ask("remote-import")).status == 201


async def test_what_is_missing_is_told(shop: Shop) -> None:
    answer = await shop.ask(region=None, file_key=None, path=None)

    error = "region is missing, file_key is missing, path is missing"
    assert (answer.status, answer.body) == (400, {"error": error})


async def test_an_object_that_is_not_there_is_not_found(shop: Shop) -> None:
    answer = await shop.ask(file_key="no/such")

    assert answer.body == {"message": f"File not found 'no/such' in '{shop.given['bucket_name']}'"}
    assert await shop.api.pool.fetchval("SELECT count(*) FROM projects") == 0


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("secret_access_key", "wrong", "answered 403 Forbidden"),
        ("region", "x/y", "doesn't match a supported format"),
        ("bucket_name", "a/../b", "Invalid bucket name"),
    ],
)
async def test_an_object_that_cannot_be_opened_is_told_without_secrets(
    shop: Shop, name: str, value: str, reason: str
) -> None:
    answer = await shop.ask(**{name: value})

    assert answer.status == 400
    assert answer.body["message"].startswith("Failed to open 'remote/a b.tar.gz' in '")
    assert reason in answer.body["message"]
    assert "Signature" not in answer.body["message"]


async def test_the_type_of_an_object_has_to_be_that_of_an_archive(shop: Shop) -> None:
    answer = await shop.ask(file_key="remote/odd")

    assert answer.body["message"].startswith("Content type 'binary/odd' not allowed.")


@pytest.mark.parametrize("shop", [{"outbound_local_requests_allowlist": ()}], indirect=True)
async def test_the_rules_for_addresses_hold_for_buckets(shop: Shop) -> None:
    answer = await shop.ask()

    assert answer.body == {"message": "File url is blocked: Requests to localhost are not allowed"}
