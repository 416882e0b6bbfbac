"""Uploads whose parts go straight into the bucket, with SeaweedFS."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from services.api.wiring import make_api_app, make_root
from services.cli.client import ImportRequest, connect
from services.cli.direct_uploads import DirectUnsupported, import_directly
from services.cli.errors import UsageError
from services.process.monitoring import open_monitor
from services.process.ports import Ports
from shared.accounts.models import Scope
from shared.accounts.tokens import create_token
from shared.accounts.users import create_user
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database, session
from shared.jobs import store as jobs
from shared.ledger.collector import Collector
from shared.settings.environment import Settings
from shared.storage.base import ObjectStore
from shared.storage.filesystem import FilesystemStore
from shared.storage.s3 import S3Store, s3_store
from shared.uploads.direct import LARGEST, part_size_of
from shared.uploads.expiry import UploadExpiry
from tests.support.api import listening
from tests.support.flaky import cutting_proxy
from tests.support.gitlab_stub import Script, answer
from tests.support.objects import s3_config
from tests.support.projects import Dock, Imported, project
from tests.support.sealing import sealer
from tests.support.seaweedfs import S3Server

TOKEN = "a-token-of-root"
MIB = 1024 * 1024
PART = 8 * MIB
ARCHIVE = b"a" * PART + b"b" * PART + b"the last part"
PACKED = project()
UPLOADS = "api/crossdock/v1/uploads"
ONE = [{"number": 1, "etag": "x"}]


@dataclass(slots=True)
class Told:
    """An answer."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass(slots=True)
class Site:
    """An api over a bucket, and its administrator as a client."""

    pool: Pool
    store: ObjectStore
    url: URL
    client: aiohttp.ClientSession

    async def ask(self, method: str, path: str = "", **more: Any) -> Told:
        """Ask below the uploads."""
        async with self.client.request(method, URL(f"{self.url.origin()}/{UPLOADS}{path}"), **more) as answer:
            is_json = answer.content_type.endswith("json") and method != "HEAD"
            return Told(answer.status, await answer.json() if is_json else None, dict(answer.headers))

    async def made(self, size: int = len(ARCHIVE), **more: object) -> int:
        """The number of a new direct upload."""
        told = await self.ask("POST", json={"direct": True, "size": size, **more})
        assert told.status == 201, told.body
        number: int = told.body["id"]
        return number

    async def addresses(self, number: int, **query: Any) -> list[dict[str, Any]]:
        """Where the parts go."""
        told = await self.ask("GET", f"/{number}/parts", params=query)
        assert told.status == 200, told.body
        return list(told.body)

    async def send(self, parts: Sequence[dict[str, Any]], content: bytes = ARCHIVE) -> list[dict[str, Any]]:
        """Send parts, and give what completes the upload."""
        return [
            {"number": part["number"], "etag": await _put(part["url"], _bytes_of(part, content))}
            for part in parts
        ]

    async def complete(self, number: int, parts: object, **more: object) -> Told:
        """Say that all parts are there."""
        return await self.ask("POST", f"/{number}/complete", json={"parts": parts, **more})


def _bytes_of(part: dict[str, Any], content: bytes) -> bytes:
    start = (part["number"] - 1) * PART
    return content[start : start + part["size"]]


async def _put(url: str, body: bytes) -> str:
    sent = partial(aiohttp.ClientSession.put, data=BytesIO(body))
    async with aiohttp.ClientSession() as client, sent(client, URL(url, encoded=True)) as answer:
        assert answer.status == 200, await answer.text()
        return answer.headers["ETag"]


@asynccontextmanager
async def _running(url: str, store: ObjectStore, **given: Any) -> AsyncIterator[Site]:
    async with database(url, size=4) as pool:
        ports = Ports(pool, store, MemoryBroker(), partial(session, url), sealer())
        settings = Settings(
            root_token=SecretStr(TOKEN), drain_seconds=0, **({"direct_uploads": True} | given)
        )
        await make_root(pool, settings)
        async with (
            open_monitor(ports, settings, service="api") as monitor,
            listening(make_api_app(monitor, settings)) as served,
            aiohttp.ClientSession(headers={"PRIVATE-TOKEN": TOKEN}) as client,
        ):
            yield Site(pool, store, served, client)


@pytest.fixture
async def store(s3_server: S3Server) -> AsyncIterator[S3Store]:
    async with s3_store(s3_config(s3_server)) as opened:
        await opened.ensure_bucket()
        yield opened


@pytest.fixture
async def site(database_url: str, store: S3Store) -> AsyncIterator[Site]:
    async with _running(database_url, store) as running:
        yield running


async def _stored(site: Site, number: int) -> bytes:
    """What the upload is made of, as it is stored."""
    keys = await site.pool.fetch(
        """SELECT key FROM upload_pieces p JOIN objects o ON o.id = p.object_id
           WHERE upload_id = $1 AND state = 'stored' ORDER BY position""",
        number,
    )
    return b"".join([piece for each in keys async for piece in site.store.read(each["key"])])


async def _collect(site: Site) -> None:
    """Remove what is past its time, without any grace."""
    await UploadExpiry(site.pool).remove_uploads()
    collector = Collector(site.pool, site.store, grace=timedelta(0))
    while await collector.collect_objects():
        pass


async def test_parts_go_into_the_bucket_and_become_an_upload(site: Site) -> None:
    told = await site.ask("POST", json={"direct": True, "size": len(ARCHIVE)})
    number = told.body["id"]
    assert (told.status, told.body["part_size"], told.body["part_count"]) == (201, PART, 3)
    assert told.headers["Location"].endswith(f"/{UPLOADS}/{number}")
    assert told.body["complete_url"].endswith(f"/{UPLOADS}/{number}/complete")

    parts = await site.addresses(number)
    assert [(each["number"], each["size"]) for each in parts] == [(1, PART), (2, PART), (3, 13)]
    sent = await site.send(parts)
    assert (await site.ask("GET", f"/{number}")).body["offset"] == 0

    done = await site.complete(number, sent[::-1])
    assert (done.status, done.body["offset"], done.body["length"]) == (200, len(ARCHIVE), len(ARCHIVE))
    assert await _stored(site, number) == ARCHIVE


async def test_addresses_come_by_pages_and_all_are_of_one_write(site: Site) -> None:
    number = await site.made()
    first = await site.ask("GET", f"/{number}/parts", params={"per_page": 2})
    assert [each["number"] for each in first.body] == [1, 2]
    following = first.headers["Link"].partition(">")[0].removeprefix("<")
    rest = await site.ask("GET", f"/{number}/parts?{URL(following).query_string}")
    assert [each["number"] for each in rest.body] == [3]
    assert "Link" not in rest.headers
    writes = {URL(each["url"], encoded=True).query["uploadId"] for each in (*first.body, *rest.body)}
    assert len(writes) == 1


async def test_two_who_ask_first_at_once_get_addresses_of_one_write(site: Site) -> None:
    number = await site.made()
    both = await asyncio.gather(*(site.addresses(number) for _ in range(2)))
    parts = [both[each["number"] % 2][each["number"] - 1] for each in both[0]]
    assert (await site.complete(number, await site.send(parts))).status == 200


async def test_a_completion_can_be_repeated_also_where_its_answer_was_lost(site: Site) -> None:
    number = await site.made()
    sent = await site.send(await site.addresses(number))
    both = await asyncio.gather(*(site.complete(number, sent) for _ in range(2)))
    again = await site.complete(number, sent)
    assert [each.status for each in (*both, again)] == [200] * 3
    assert await _stored(site, number) == ARCHIVE


@pytest.mark.parametrize("wrong", ["few", "many", "other"])
async def test_parts_that_the_bucket_does_not_have_can_be_sent_and_completed_again(
    site: Site, wrong: str
) -> None:
    number = await site.made()
    sent = await site.send(await site.addresses(number))
    other = {
        "few": sent[:-1],
        "many": [*sent, sent[0] | {"number": 4}],
        "other": [sent[0] | {"etag": "x"}, *sent[1:]],
    }
    refused = await site.complete(number, other[wrong])
    assert (refused.status, refused.body["code"]) == (409, "upload_parts_unknown")
    assert (await site.complete(number, sent)).status == 200


async def test_an_upload_that_is_completed_before_any_address_was_asked_for_is_refused(site: Site) -> None:
    told = await site.complete(await site.made(size=3), [{"number": 1, "etag": "x"}])
    assert told.body["code"] == "upload_parts_unknown"


async def test_an_object_of_another_size_is_not_taken_and_removed(site: Site, store: S3Store) -> None:
    """As a server would have it that does not compare the length with the signature."""
    number = await site.made()
    sent = await site.send(await site.addresses(number))
    await site.pool.execute("UPDATE uploads SET size = size - 1 WHERE id = $1", number)
    told = await site.complete(number, sent)
    assert (told.status, told.body["code"]) == (422, "upload_size_wrong")
    assert (await site.ask("GET", f"/{number}")).status == 404
    await _collect(site)
    assert await site.pool.fetchval("SELECT count(*) FROM objects") == 0


async def test_an_upload_that_is_left_goes_with_what_is_in_the_bucket(site: Site, store: S3Store) -> None:
    number = await site.made()
    await site.send((await site.addresses(number))[:1])
    key = await site.pool.fetchval("SELECT key FROM objects")
    await _collect(site)
    assert await site.pool.fetchval("SELECT count(*) FROM objects") == 1
    await site.pool.execute("UPDATE uploads SET expires_at = now()")
    await _collect(site)
    assert await site.pool.fetchval("SELECT count(*) FROM objects") == 0
    assert await store.abort_uploads_of(key) == 0


async def test_asking_for_addresses_keeps_the_upload(site: Site) -> None:
    number = await site.made()
    await site.pool.execute("UPDATE uploads SET expires_at = now() + interval '1 minute'")
    await site.addresses(number)
    assert await site.pool.fetchval("SELECT expires_at > now() + interval '23 hours' FROM uploads")


async def test_a_complete_upload_has_no_addresses_any_more(site: Site) -> None:
    number = await site.made()
    await site.complete(number, await site.send(await site.addresses(number)))
    told = await site.ask("GET", f"/{number}/parts")
    assert (told.status, told.body["code"]) == (409, "upload_finished")


async def test_a_direct_upload_takes_no_bytes_by_tus(site: Site) -> None:
    number = await site.made()
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    told = await site.ask("PATCH", f"/{number}", headers=headers, data=b"abc")
    assert (told.status, told.body["code"]) == (409, "upload_direct")


async def test_an_upload_by_tus_has_no_addresses(site: Site) -> None:
    made = await site.ask("POST", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "3"})
    number = made.headers["Location"].rpartition("/")[2]
    assert (await site.ask("GET", f"/{number}/parts")).status == 404


async def test_nobody_else_knows_of_a_direct_upload(site: Site) -> None:
    number = await site.made()
    user = await create_user(site.pool, "bob", name="Bob", email="b@example.com")
    token = await create_token(site.pool, user.id, name="t", scopes=(Scope.API,))
    headers = {"PRIVATE-TOKEN": token}
    assert (await site.ask("GET", f"/{number}/parts", headers=headers)).status == 404
    told = await site.ask("POST", f"/{number}/complete", json={"parts": ONE}, headers=headers)
    assert told.status == 404
    nobody = {"PRIVATE-TOKEN": ""}
    assert (await site.ask("GET", f"/{number}/parts", headers=nobody)).status == 401


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"size": 1}, "direct is missing"),
        ({"direct": True}, "size is missing"),
        ({"direct": False, "size": 1}, "direct must be true: other uploads are made by tus"),
        ({"direct": True, "size": 0}, f"size must be from 1 to {LARGEST}"),
        ({"direct": True, "size": LARGEST + 1}, f"size must be from 1 to {LARGEST}"),
        ({"direct": True, "size": 1, "sha256": "0"}, "sha256 is invalid: 64 hexadecimal digits are one"),
    ],
)
async def test_a_direct_upload_that_is_asked_for_wrongly_is_refused_by_name(
    site: Site, given: dict[str, object], problem: str
) -> None:
    told = await site.ask("POST", json=given)
    assert told.status == 400
    assert problem in told.body["detail"]


@pytest.mark.parametrize(
    "parts",
    [None, [], "x", [1], [{"number": 2, "etag": "x"}], [{"number": 1, "etag": "x"}] * 2, [{"number": 1}],
     [{"number": 0, "etag": "x"}], [{"number": 1, "etag": "x" * 257}]],
)  # fmt: skip
async def test_a_completion_that_does_not_name_each_part_once_is_refused(site: Site, parts: object) -> None:
    assert (await site.complete(await site.made(size=3), parts)).status == 400


async def test_a_direct_upload_has_at_most_as_many_bytes_as_an_import(
    database_url: str, store: S3Store
) -> None:
    async with _running(database_url, store, max_import_size=1) as site:
        told = await site.ask("POST", json={"direct": True, "size": MIB + 1})
        assert (told.status, told.body["code"]) == (413, "import_too_large")
        assert await site.made(size=MIB)


@pytest.mark.parametrize("reason", ["files", "off"])
async def test_where_there_are_no_addresses_that_is_said(
    database_url: str, store: S3Store, tmp_path: Path, reason: str
) -> None:
    over: ObjectStore = FilesystemStore(tmp_path) if reason == "files" else store
    async with _running(database_url, over, direct_uploads=reason == "files") as site:
        asked = [("POST", ""), ("GET", "/1/parts"), ("POST", "/1/complete")]
        bodies: list[dict[str, Any]] = [
            {"json": {"direct": True, "size": 1}},
            {},
            {"json": {"parts": [{"number": 1, "etag": "x"}]}},
        ]
        for (method, path), body in zip(asked, bodies, strict=True):
            told = await site.ask(method, path, **body)
            assert (told.status, told.body["code"]) == (422, "direct_uploads_unavailable")


def test_no_upload_has_more_parts_than_one_document_names() -> None:
    for size in (1, PART, PART + 1, 8000 * MIB, 8000 * MIB + 1, LARGEST):
        part = part_size_of(size)
        assert -(-size // part) <= 1000
        assert PART <= part <= 5 * 1024 * MIB


async def _imported(site: Site, number: int, folder: Path) -> Imported:
    """Import an upload, as an importer does."""
    given = {"upload_id": number, "path": "moved"}
    async with site.client.post(f"{site.url.origin()}/api/crossdock/v1/imports", json=given) as answer:
        assert answer.status == 201, await answer.text()
        job = await jobs.find(site.pool, int(answer.headers["X-Crossdock-Job"]))
    assert job is not None
    dock = Dock(site.pool, folder)
    dock.store = site.store
    return await dock.attempt(job)


@pytest.mark.parametrize("is_right", [True, False, None])
@pytest.mark.parametrize("when", ["at the beginning", "at the end"])
async def test_an_import_of_a_direct_upload_compares_its_digest(
    site: Site, tmp_path: Path, when: str, *, is_right: bool | None
) -> None:
    digest = hashlib.sha256(PACKED if is_right else b"other").hexdigest()
    given = {} if is_right is None else {"sha256": digest}
    number = await site.made(size=len(PACKED), **(given if when == "at the beginning" else {}))
    sent = await site.send(await site.addresses(number), PACKED)
    assert (await site.complete(number, sent, **(given if when == "at the end" else {}))).status == 200

    done = await _imported(site, number, tmp_path)

    wrong = "the archive does not have the SHA-256 that was given with its upload"
    assert (done.error is None) == (is_right is not False)
    assert (done.error or wrong).endswith(wrong)
    committed = await site.pool.fetchval("SELECT count(*) FROM snapshots WHERE committed_at IS NOT NULL")
    assert committed == (0 if is_right is False else 1)


async def test_an_upload_that_is_not_complete_is_not_imported(site: Site) -> None:
    given = {"upload_id": await site.made(), "path": "moved"}
    async with site.client.post(f"{site.url.origin()}/api/crossdock/v1/imports", json=given) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "upload_unfinished")


async def test_the_command_line_sends_a_file_into_the_bucket_and_its_token_to_the_api_alone(
    database_url: str, s3_server: S3Server, tmp_path: Path
) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(ARCHIVE)
    reported: list[int] = []
    async with cutting_proxy(s3_server.endpoint, after=3 * MIB, times=1, method="PUT") as proxy:
        config = s3_config(replace(s3_server, endpoint=proxy.url))
        async with (
            s3_store(config) as store,
            _running(database_url, store) as site,
            connect(str(site.url.origin()), TOKEN) as client,
        ):
            await store.ensure_bucket()
            await import_directly(
                client, archive, ImportRequest("moved"), lambda done, _: reported.append(done)
            )
            number = await site.pool.fetchval("SELECT upload_id FROM jobs")
            assert await _stored(site, number) == ARCHIVE
            digest = await site.pool.fetchval("SELECT sha256 FROM direct_uploads")
    assert digest == hashlib.sha256(ARCHIVE).digest()
    assert (proxy.cuts, max(reported)) == (1, len(ARCHIVE))
    parts = [head for head in proxy.heads if head.startswith("PUT") and "partNumber" in head]
    assert len(parts) == 4
    assert not [head for head in parts if TOKEN in head or "uthorization: " in head]


async def test_what_is_no_file_is_not_sent_directly(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").touch()
    async with connect(str(site.url.origin()), TOKEN) as client:
        with pytest.raises(UsageError, match="--direct takes a file that has bytes"):
            await import_directly(client, tmp_path / "a.tar.gz", ImportRequest("moved"), lambda *_: None)


async def test_a_gitlab_gets_no_direct_upload(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(ARCHIVE[:9])
    script = Script(answer({"version": "18.9.0"}))
    async with script.client() as client:
        with pytest.raises(DirectUnsupported):
            await import_directly(client, tmp_path / "a.tar.gz", ImportRequest("moved"), lambda *_: None)
    assert len(script.asked) == 1
