"""With the setting, downloads of exports are redirected to the store, where it has addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import gitlab
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from yarl import URL

from services.api.wiring import make_api_app, make_root
from services.cli.client import connect
from services.cli.download import ArchiveDownload, FileSink
from services.exporter.wiring import make_exporters
from services.process.monitoring import open_monitor
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, session
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.jobs.outbox import announce
from shared.settings.environment import Settings
from shared.storage.base import ObjectStore
from shared.storage.filesystem import FilesystemStore
from shared.storage.s3 import s3_store
from tests.support.api import listening
from tests.support.jobs import migrated
from tests.support.objects import PART, s3_config
from tests.support.projects import Dock, project
from tests.support.sealing import sealer
from tests.support.seaweedfs import S3Server
from tests.support.waiting import until_row
from tests.support.workers import at_work

TOKEN = "a-token-of-root"
LARGE = Random(1).randbytes(2 * PART + 1)  # noqa: S311  # the same every time
CONTENT = project(("uploads/large", LARGE), ("uploads/b", b"small"))
FINISHED = "SELECT count(*) = 1 FROM jobs WHERE kind = 'export' AND state = 'finished'"


@dataclass(slots=True)
class Site:
    """An api with an exporter, a project that the administrator has exported, and a client of theirs."""

    pool: Pool
    store: ObjectStore
    registry: CollectorRegistry
    url: URL
    client: aiohttp.ClientSession

    @property
    def address(self) -> URL:
        """Where the archive is downloaded."""
        return self.url / "api/v4/projects/1/export/download"

    @asynccontextmanager
    async def ask(self, method: str = "GET", **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for the archive, and follow no redirect."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self.address, headers=named, allow_redirects=False) as answer:
            yield answer

    async def archive(self) -> FinishedArchive:
        """The export."""
        found = await archives.find(self.pool, project_id=1, user_id=2)
        assert found is not None
        return found

    def bytes_moved(self, operation: str) -> float:
        """The bytes of the store that went through the process, of one operation."""
        named = {"operation": operation}
        return self.registry.get_sample_value("crossdock_storage_bytes_total", named) or 0


@asynccontextmanager
async def running(url: str, store: ObjectStore, folder: Path, **given: Any) -> AsyncIterator[Site]:
    """A site over ``store``; the settings that are given decide whether there are redirects."""
    broker = MemoryBroker()
    async with migrated(url) as pool:
        dock = Dock(pool, folder)
        dock.store = store
        assert (await dock.run_import(CONTENT)).error is None
        ports = Ports(pool, store, broker, partial(session, url), sealer())
        settings = Settings(root_token=SecretStr(TOKEN), drain_seconds=0, **given)
        await make_root(pool, settings)
        job = await dock.order_export(user_id=2)
        async with (
            open_monitor(ports, settings, service="api") as monitor,
            at_work(make_exporters(monitor.ports, settings)),
            listening(make_api_app(monitor, settings)) as served,
            aiohttp.ClientSession(headers={"PRIVATE-TOKEN": TOKEN}, auto_decompress=False) as client,
        ):
            await announce(broker, job)
            await until_row(pool, FINISHED)
            yield Site(pool, store, monitor.registry, served, client)


@pytest.fixture
async def redirecting(database_url: str, s3_server: S3Server, tmp_path: Path) -> AsyncIterator[Site]:
    async with s3_store(s3_config(s3_server)) as store:
        await store.ensure_bucket()
        async with running(
            database_url, store, tmp_path, export_redirect=True, project_download_export_limit=0
        ) as site:
            yield site


async def _streamed(site: Site) -> bytes:
    """The archive, as it would be without a redirect."""
    dock = Dock(site.pool, Path())
    dock.store = site.store
    return await dock.archive(await site.archive())


async def test_a_download_is_the_archive_by_an_address_of_the_store(redirecting: Site) -> None:
    read, moved = await _streamed(redirecting), redirecting.bytes_moved("read")
    async with redirecting.ask() as answer:
        assert (answer.status, await answer.read()) == (302, b"")
        assert answer.headers["Cache-Control"] == "no-store"
        location = answer.headers["Location"]
    async with aiohttp.ClientSession() as stranger, stranger.get(URL(location, encoded=True)) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/octet-stream"
        name = (await redirecting.archive()).file_name
        assert answer.headers["Content-Disposition"] == (
            f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
        )
        assert await answer.read() == read
    assert redirecting.bytes_moved("read") == moved


async def test_the_exporter_moved_no_more_of_a_large_blob_than_a_part_needs(redirecting: Site) -> None:
    size = (await redirecting.archive()).size
    assert 0 < redirecting.bytes_moved("compose") < size - len(LARGE) + PART + 2**16
    assert (redirecting.bytes_moved("read"), redirecting.bytes_moved("write")) == (0, 0)


async def test_a_client_that_follows_redirects_needs_to_know_nothing(redirecting: Site) -> None:
    expected = await _streamed(redirecting)
    async with redirecting.client.get(redirecting.address) as answer:
        assert (answer.status, await answer.read()) == (200, expected)
    wanted = {"Range": "bytes=7-1000006"}
    async with redirecting.client.get(redirecting.address, headers=wanted) as answer:
        assert (answer.status, await answer.read()) == (206, expected[7:1_000_007])
        assert answer.headers["Content-Range"] == f"bytes 7-1000006/{len(expected)}"
    async with redirecting.client.head(redirecting.address, allow_redirects=True) as answer:
        assert (answer.status, answer.content_length) == (200, len(expected))


async def test_an_address_holds_for_its_method_and_five_minutes(redirecting: Site) -> None:
    async with redirecting.ask("HEAD") as answer:
        assert answer.status == 302
        location = answer.headers["Location"]
    assert parse_qs(urlsplit(location).query)["X-Amz-Expires"] == ["300"]
    async with aiohttp.ClientSession() as stranger, stranger.get(URL(location, encoded=True)) as answer:
        assert answer.status == 403


async def test_curl_downloads_the_archive_under_its_name(redirecting: Site, tmp_path: Path) -> None:
    expected = await _streamed(redirecting)
    words = ["--silent", "--show-error", "--fail", "--location", "--remote-header-name", "--remote-name"]
    curl = await asyncio.create_subprocess_exec(
        "curl", *words, "--header", f"PRIVATE-TOKEN: {TOKEN}", str(redirecting.address), cwd=tmp_path
    )
    assert await curl.wait() == 0
    name = (await redirecting.archive()).file_name
    assert await asyncio.to_thread((tmp_path / name).read_bytes) == expected


async def test_python_gitlab_downloads_the_archive(redirecting: Site) -> None:
    def download() -> bytes:
        client = gitlab.Gitlab(str(redirecting.url).rstrip("/"), private_token=TOKEN)
        got = bytearray()
        client.projects.get(1, lazy=True).exports.get().download(streamed=True, action=got.extend)
        return bytes(got)

    assert await asyncio.to_thread(download) == await _streamed(redirecting)


async def test_the_command_line_downloads_the_archive_and_the_rest_of_one(redirecting: Site) -> None:
    expected, names = await _streamed(redirecting), list[str | None]()
    whole, rest = BytesIO(), BytesIO(expected[:1_000_000])
    async with connect(str(redirecting.url), TOKEN) as client:
        await ArchiveDownload(FileSink(whole), name=names.append).run(client, 1, lambda _done, _total: None)
        sink = FileSink(rest)
        download = ArchiveDownload(sink)
        await download.resume(names[0], sink.begun(), lambda _done, _total: None)
        await download.finish(client, 1, lambda _done, _total: None)
    assert whole.getvalue() == rest.getvalue() == expected


async def test_conditions_are_answered_here(redirecting: Site) -> None:
    etag = f'"{(await redirecting.archive()).etag}"'
    async with redirecting.ask(If_None_Match=etag) as answer:
        assert (answer.status, answer.headers["ETag"]) == (304, etag)
    async with redirecting.ask(If_Match='"other"') as answer:
        assert answer.status == 412
    async with redirecting.ask(If_None_Match='"other"') as answer:
        assert answer.status == 302


async def test_the_page_of_the_browser_redirects_too(redirecting: Site) -> None:
    async with redirecting.client.get(redirecting.url / "ann/p/download_export") as answer:
        assert (answer.status, answer.url.port) == (200, URL(await _location(redirecting)).port)


async def _location(site: Site) -> str:
    async with site.ask() as answer:
        return answer.headers["Location"]


async def test_who_may_not_download_gets_no_address(redirecting: Site) -> None:
    for token in ("unknown", ""):
        async with redirecting.ask(PRIVATE_TOKEN=token) as answer:
            assert answer.status in (401, 404)
            assert "Location" not in answer.headers


async def test_a_redirect_keeps_the_object_for_a_grace_time(redirecting: Site) -> None:
    await redirecting.pool.execute("UPDATE objects SET touched_at = now() - interval '1 day'")
    assert await _location(redirecting)
    touched = await redirecting.pool.fetch(
        "SELECT kind FROM objects WHERE touched_at > now() - interval '1 hour'"
    )
    assert [row["kind"] for row in touched] == ["archive"]


async def test_an_object_that_the_store_has_lost_is_told_before_the_redirect(redirecting: Site) -> None:
    await redirecting.store.delete([(await redirecting.archive()).key])
    async with redirecting.ask() as answer:
        assert answer.status == 404


async def test_a_redirect_is_one_download_of_the_limit(
    database_url: str, s3_server: S3Server, tmp_path: Path
) -> None:
    async with s3_store(s3_config(s3_server)) as store:
        await store.ensure_bucket()
        async with running(database_url, store, tmp_path, export_redirect=True) as site:
            for headers, status in (({}, 302), ({}, 429), ({"Range": "bytes=5-"}, 302)):
                async with site.ask(**headers) as answer:
                    assert answer.status == status
            async with site.ask("HEAD") as answer:
                assert answer.status == 302


async def test_a_store_without_addresses_streams_the_object(database_url: str, tmp_path: Path) -> None:
    async with running(
        database_url, FilesystemStore(tmp_path), tmp_path,
        export_redirect=True, project_download_export_limit=0,
    ) as site:  # fmt: skip
        archive = await site.archive()
        assert archive.tail is None
        expected = await _streamed(site)
        async with site.ask() as answer:
            assert (answer.status, await answer.read()) == (200, expected)
        async with site.ask(Range="bytes=7-16") as answer:
            assert (answer.status, await answer.read()) == (206, expected[7:17])


async def test_without_the_setting_exports_are_plans_and_downloads_pass_through(
    database_url: str, s3_server: S3Server, tmp_path: Path
) -> None:
    async with s3_store(s3_config(s3_server)) as store:
        await store.ensure_bucket()
        async with running(database_url, store, tmp_path) as site:
            archive = await site.archive()
            assert (archive.object_id, archive.tail is None) == (None, False)
            async with site.ask() as answer:
                assert (answer.status, len(await answer.read())) == (200, archive.size)


async def test_an_archive_that_is_a_plan_is_streamed_by_an_api_that_redirects(
    database_url: str, s3_server: S3Server, tmp_path: Path
) -> None:
    async with s3_store(s3_config(s3_server)) as store:
        await store.ensure_bucket()
        async with running(database_url, store, tmp_path, export_redirect=True) as site:
            dock = Dock(site.pool, tmp_path)
            dock.store = store
            await dock.run_export(user_id=2)
            assert (await site.archive()).tail is not None
            async with site.ask() as answer:
                assert answer.status == 200
