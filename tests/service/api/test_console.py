from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from functools import partial
from hashlib import sha256
from pathlib import Path
from posixpath import normpath

import pytest
import structlog

from services.api import app
from services.api.console.assets import Asset
from services.api.console.site import CONSOLE, Presence, make_console
from tests.support.api import EXTERNAL_URL, Answer, Api, running_api
from tests.support.pages import is_safe

IMMUTABLE = "public, max-age=31536000, immutable"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OFF = pytest.mark.parametrize("api", [{"listener": {"has_console": False}}], indirect=True)


async def _get(api: Api, path: str, **headers: str) -> Answer:
    return await api.call("GET", path, headers=headers, allow_redirects=False)


def _is_led(answer: Answer, path: str) -> bool:
    return (answer.status, answer.headers["Location"]) == (303, path)


async def test_the_address_of_the_server_leads_to_the_jobs_and_says_so(api: Api) -> None:
    for headers in (BROWSER, {}):
        answer = await _get(api, "/", **headers)
        assert _is_led(answer, "/-/console/jobs")
        assert f"{EXTERNAL_URL}/-/console/jobs" in answer.body.decode()


async def test_the_address_of_a_project_leads_a_browser_to_its_page(api: Api) -> None:
    assert _is_led(await _get(api, "/a/b/c%20d", **BROWSER), "/-/console/projects/a/b/c%20d")


@pytest.mark.parametrize("path", ["/a/b", "/a/b.git/info/refs", "/api/none", "/a"])
async def test_who_is_no_browser_gets_what_an_unknown_address_gets(api: Api, path: str) -> None:
    answer = await _get(api, path, Accept="*/*")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")


@pytest.mark.parametrize("path", ["/nonsense", "/help/", "/-/none"])
async def test_a_browser_that_is_lost_gets_a_page_with_a_way_on(api: Api, path: str) -> None:
    answer = await _get(api, path, **BROWSER)
    assert answer.status == 404
    assert b'<a href="/">Go to the start page</a>' in answer.body
    assert is_safe(answer)


async def test_an_unknown_address_of_the_api_is_json_for_browsers_too(api: Api) -> None:
    answer = await _get(api, "/api/v4/none", **BROWSER)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")


@pytest.mark.parametrize("path", ["", "/", "/jobs", "/jobs/17", "/projects/a/b", "/none"])
async def test_each_address_of_the_console_has_the_page(api: Api, path: str) -> None:
    answer = await _get(api, f"/-/console{path}", **BROWSER)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_the_policy_names_the_import_map_and_nothing_else_that_is_inline(api: Api) -> None:
    answer = await _get(api, "/-/console/jobs")
    (found,) = re.findall(r'<script type="importmap">(.*?)</script>', answer.body.decode())
    known = b64encode(sha256(found.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy == (
        f"default-src 'none'; script-src 'self' 'sha256-{known}'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "trusted-types crossdock; require-trusted-types-for 'script'"
    )
    assert not re.search(r"style=|\son\w+=|<style", answer.body.decode())


async def test_all_that_the_page_names_is_there(api: Api) -> None:
    text = (await _get(api, "/-/console/jobs")).body.decode()
    (found,) = re.findall(r'<script type="importmap">(.*?)</script>', text)
    named = {*re.findall(r'(?:src|href)="([^"]+)"', text), *json.loads(found)["imports"].values()}
    assert len(named) > 20
    for path in named:
        assert (await _get(api, path)).status == 200, path


def test_all_addresses_of_the_page_are_below_the_path_of_the_external_url() -> None:
    made = make_console("https://example.com/a%20b/dock")
    assert made.home == "/a%20b/dock/-/console/jobs"
    named = re.findall(r'(?:src|href|data-static|data-vendor)="([^"]+)"', made.page)
    assert named
    assert all(each.startswith("/a%20b/dock/-/console/") for each in named)


async def test_files_of_ours_are_kept_below_their_digest_and_asked_for_again_below_another(api: Api) -> None:
    for digest, cached in ((api.app[CONSOLE].own_digest, IMMUTABLE), ("0" * 16, "no-cache")):
        path = f"/-/console/static/{digest}/main.mjs"
        first = await _get(api, path)
        assert (first.status, first.headers["Content-Type"]) == (200, "text/javascript")
        assert first.headers["Cache-Control"] == cached
        again = await _get(api, path, **{"If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert (await _get(api, f"/-/console/static/{digest}/none.mjs")).status == 404
    assert (await _get(api, "/-/console/static/main.mjs")).status == 404


async def test_the_page_preloads_what_the_home_page_imports_and_nothing_else(api: Api) -> None:
    console = api.app[CONSOLE]
    loaded = set(re.findall(r'modulepreload" href="/-/console/static/\w+/([^"]+)"', console.page))
    imported = {
        normpath(f"{name}/../{each}")
        for name in loaded
        for each in re.findall(r'from "(\.[^"]+)"', console.own[name].body.decode())
    }
    assert loaded == {*imported, "main.mjs", "pages/jobs.mjs"}


async def test_files_of_others_never_change_below_their_digest(api: Api) -> None:
    digest = api.app[CONSOLE].digest
    answer = await _get(api, f"/-/console/vendor/{digest}/htm.mjs")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, IMMUTABLE)
    assert (await _get(api, f"/-/console/vendor/{'0' * len(digest)}/htm.mjs")).status == 404
    assert (await _get(api, f"/-/console/vendor/{digest}/none.mjs")).status == 404


@pytest.mark.parametrize(
    "path", ["static/x/../../page.py", "static/x/..%2Fpage.py", "static/x/%2Fetc%2Fpasswd"]
)
async def test_no_other_file_of_the_machine_is_served(api: Api, path: str) -> None:
    answer = await _get(api, f"/-/console/{path}")
    assert b"import" not in answer.body or b"importmap" in answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [("gzip, deflate, br", True), ("br;q=1, GZIP; q=0.5", True), ("gzip;q=0", False), ("gzip;q=0.0", False),
     ("identity", False), ("", False)],
)  # fmt: skip
async def test_files_come_compressed_for_who_takes_that(
    api: Api,
    accepted: str,
    is_compressed: bool,  # noqa: FBT001
) -> None:
    async with api.session.get(
        api.url / f"-/console/static/{api.app[CONSOLE].own_digest}/console.css",
        headers={"Accept-Encoding": accepted},
        auto_decompress=False,
    ) as answer:
        body = await answer.read()
    assert (answer.headers.get("Content-Encoding") == "gzip") is is_compressed
    assert answer.headers["Vary"] == "Accept-Encoding"
    known = api.app[CONSOLE].own["console.css"].body
    assert (gzip.decompress(body) if is_compressed else body) == known


def test_a_file_is_compressed_once() -> None:
    asset = Asset("text/css", b"a" * 1000)
    assert asset.compressed is asset.compressed


@OFF
async def test_a_console_that_is_off_says_so_and_how_to_get_it(api: Api) -> None:
    page = await _get(api, "/", **BROWSER)
    assert page.status == 200
    assert is_safe(page)
    text = await _get(api, "/")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    for answer in (page, text):
        assert "switched off: CROSSDOCK_CONSOLE is false" in answer.body.decode()
        assert "CROSSDOCK_CONSOLE=true" in answer.body.decode()
        assert "/api/docs" in answer.body.decode()
    assert (await _get(api, "/-/console/jobs", **BROWSER)).status == 404
    assert (await _get(api, "/a/b", **BROWSER)).status == 404


async def test_a_console_without_the_files_of_others_says_so_and_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(app, "make_console", partial(make_console, vendor=tmp_path / "none"))
    async with running_api(database_url, tmp_path / "objects") as api:
        answer = await _get(api, "/")
    assert answer.status == 200
    assert "not installed" in answer.body.decode()
    assert "make setup" in answer.body.decode()


@pytest.mark.parametrize("lacking", ["preact.mjs", "pico.min.css", "tus.min.js"])
def test_the_console_needs_all_of_its_libraries(tmp_path: Path, lacking: str) -> None:
    for name, asset in make_console(EXTERNAL_URL).vendor.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(asset.body)
    assert make_console(EXTERNAL_URL, vendor=tmp_path).presence is Presence.THERE
    (tmp_path / lacking).unlink()
    assert make_console(EXTERNAL_URL, vendor=tmp_path).presence is Presence.MISSING


async def test_the_log_has_the_lines_of_files_among_its_details(api: Api) -> None:
    with structlog.testing.capture_logs() as logs:
        await _get(api, f"/-/console/vendor/{api.app[CONSOLE].digest}/htm.mjs")
        await _get(api, "/-/console/jobs")
    assert [log["log_level"] for log in logs if log["event"] == "request"] == ["debug", "info"]
