"""Clients of uploads, as they are published, whose connections are cut at random."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.browser import chromium
from tests.support.flaky import CuttingProxy, cutting_proxy
from tests.support.npm import install, pack
from tests.support.prerequisites import program
from tests.support.tus import UPLOADS, content

pytestmark = pytest.mark.usefixtures("ann")
SIZE = 3 * 1024 * 1024
CONTENT = bytes((at * 31 + (at >> 8)) & 255 for at in range(SIZE))
CHUNK = 256 * 1024
CUTS = 6
SEEDS = (1, 2, 3)
_SCRIPT = Path(__file__).parents[2] / "support" / "tus_client.mjs"
_TUSPY = Path(__file__).parents[2] / "support" / "tus_client.py"
_PAGE = Path(__file__).parents[2] / "support" / "uppy_client.js"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "a.tar.gz"
    file.write_bytes(CONTENT)
    return file


@pytest.fixture(scope="session")
def tus_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tus-js-client, and the script that calls it."""
    home = tmp_path_factory.mktemp("tus")
    install(["tus-js-client@4.3.1"], home)
    shutil.copy(_SCRIPT, home)
    return home


@pytest.fixture(scope="session")
def uppy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bundle of Uppy for browsers."""
    with tarfile.open(pack("uppy@6.0.1", tmp_path_factory.mktemp("uppy"))) as packed:
        file = packed.extractfile("package/dist/uppy.min.js")
        assert file is not None
        return file.read().decode()


async def _assert_arrived(api: Api, proxy: CuttingProxy, *, uploads: int = 1, cuts: int = CUTS) -> None:
    """All bytes are there, once, of uploads that were begun once, though connections were cut."""
    rows = await api.pool.fetch("SELECT id, received, size FROM uploads ORDER BY id")
    assert len(rows) == uploads
    assert all(row["received"] == row["size"] for row in rows)
    assert b"".join(await content(api, rows[-1]["id"])) == CONTENT
    assert proxy.cuts == cuts


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("options", [{}, {"chunkSize": CHUNK}, {"uploadDataDuringCreation": True}])
async def test_tus_js_client_arrives_however_it_is_cut(
    api: Api, tus_home: Path, archive: Path, seed: int, options: dict[str, Any]
) -> None:
    async with cutting_proxy(str(api.url), after=400 * 1024, times=CUTS, seed=seed, method="PATCH") as proxy:
        await _send(proxy, api, tus_home, archive, options)
        # With its bytes in the creation, all may have come before the first PATCH.
        await _assert_arrived(api, proxy, cuts=0 if "uploadDataDuringCreation" in options else CUTS)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("protocol", ["ietf-draft-03", "ietf-draft-05"])
@pytest.mark.parametrize("options", [{}, {"chunkSize": CHUNK}])
async def test_tus_js_client_arrives_by_a_draft_however_it_is_cut(
    api: Api, tus_home: Path, archive: Path, seed: int, protocol: str, options: dict[str, Any]
) -> None:
    async with cutting_proxy(str(api.url), after=400 * 1024, times=CUTS, seed=seed, method="PATCH") as proxy:
        await _send(proxy, api, tus_home, archive, {"protocol": protocol, **options})
        await _assert_arrived(api, proxy)
    assert not any("Tus-Resumable" in head for head in proxy.heads)


@pytest.mark.parametrize("protocol", ["ietf-draft-03", "ietf-draft-05"])
@pytest.mark.parametrize(
    "options",
    [
        {"uploadDataDuringCreation": True},
        {"uploadDataDuringCreation": True, "chunkSize": CHUNK},
        {"overridePatchMethod": True},
        {"uploadLengthDeferred": True, "chunkSize": 1_000_000},
    ],
)
async def test_tus_js_client_has_its_options_by_a_draft_too(
    api: Api, tus_home: Path, archive: Path, protocol: str, options: dict[str, Any]
) -> None:
    async with cutting_proxy(str(api.url), after=400 * 1024, times=0) as proxy:
        await _send(proxy, api, tus_home, archive, {"protocol": protocol, **options})
        await _assert_arrived(api, proxy, cuts=0)


async def test_tus_js_client_sends_parts_side_by_side(api: Api, tus_home: Path, archive: Path) -> None:
    async with cutting_proxy(str(api.url), after=400 * 1024, times=CUTS, seed=1, method="PATCH") as proxy:
        await _send(proxy, api, tus_home, archive, {"parallelUploads": 3})
        await _assert_arrived(api, proxy, uploads=4)


async def test_tus_js_client_sends_patch_as_post(api: Api, tus_home: Path, archive: Path) -> None:
    async with cutting_proxy(str(api.url), after=400 * 1024, times=0) as proxy:
        await _send(proxy, api, tus_home, archive, {"overridePatchMethod": True, "chunkSize": CHUNK})
        await _assert_arrived(api, proxy, cuts=0)
    assert not any(head.startswith("PATCH") for head in proxy.heads)


async def _send(proxy: CuttingProxy, api: Api, home: Path, archive: Path, options: dict[str, Any]) -> None:
    given = {"headers": {"PRIVATE-TOKEN": api.tokens["ann"]}, **options}
    script, endpoint = str(home / _SCRIPT.name), f"{proxy.url}{UPLOADS}"
    assert UPLOADS in await _run(program("node"), script, endpoint, str(archive), json.dumps(given))


async def _run(*words: str) -> str:
    """Run a command to its end, without a complaint, and give what it prints."""
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, complaints.decode()) == (0, "")
    return out.decode()


@pytest.mark.parametrize("checksum", ["no", "yes"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_tuspy_arrives_however_it_is_cut(
    api: Api, archive: Path, tmp_path: Path, seed: int, checksum: str
) -> None:
    stored = str(tmp_path / "stored")
    async with cutting_proxy(str(api.url), after=400 * 1024, times=CUTS, seed=seed, method="PATCH") as proxy:
        endpoint = f"{proxy.url}{UPLOADS}"
        await _run(sys.executable, str(_TUSPY), endpoint, api.tokens["ann"], str(archive), stored, checksum)
        await _assert_arrived(api, proxy)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("options", [{}, {"chunkSize": CHUNK}])
async def test_uppy_arrives_however_it_is_cut(
    api: Api, uppy: str, seed: int, options: dict[str, Any]
) -> None:
    async with (
        cutting_proxy(str(api.url), after=400 * 1024, times=CUTS, seed=seed, method="PATCH") as proxy,
        chromium() as browser,
    ):
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/api/openapi.json")
        await page.add_script_tag(content=uppy)
        sent = [f"{proxy.url}{UPLOADS}", api.tokens["ann"], SIZE, options]
        await page.evaluate(await asyncio.to_thread(_PAGE.read_text), sent)
        await _assert_arrived(api, proxy)
