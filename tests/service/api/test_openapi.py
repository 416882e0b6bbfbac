from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.api.pages.documentation import make_documentation
from services.api.pages.openapi.document import openapi_document
from tests.support.api import EXTERNAL_URL, Api
from tests.support.release import VERSION
from tests.support.routes import routed
from tests.support.vendored import fetched

METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "trace"}
CATCH_ALL = {("*", "/api/v3{rest}"), ("GET", "/{id}/download_export")}
BROWSED = {
    ("GET", "/"),
    ("GET", "/{project}"),
    *(("GET", f"/-/console{below}{{rest}}") for below in ("", "/static", "/vendor")),
}
PAGE = {("GET", "/{namespace}/{project}/download_export")}  # the same, with the shortest of namespaces
FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "page.css": "text/css",
    "colours.js": "text/javascript",
    "start.js": "text/javascript",
}


def described() -> dict[tuple[str, str], Any]:
    return {
        (method.upper(), path): operation
        for path, item in openapi_document(EXTERNAL_URL)["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_the_document_is_openapi_3_1() -> None:
    document = openapi_document(EXTERNAL_URL)

    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_is_described_and_what_is_described_is_a_route() -> None:
    told = {(method, path) for method, path in described() if method != "HEAD"}

    assert told - PAGE == set(routed()) - CATCH_ALL - BROWSED
    assert told >= PAGE
    assert set(routed()) >= CATCH_ALL | BROWSED


def test_head_is_described_only_where_get_is() -> None:
    heads = {path for method, path in described() if method == "HEAD"}

    assert heads
    assert {("GET", path) for path in heads} <= described().keys()


def test_operations_have_ids_of_their_own() -> None:
    ids = Counter(operation["operationId"] for operation in described().values())

    assert [name for name, count in ids.items() if count > 1] == []


def test_every_operation_has_one_of_the_tags() -> None:
    tags = {tag["name"] for tag in openapi_document(EXTERNAL_URL)["tags"]}

    assert {tag for operation in described().values() for tag in operation["tags"]} == tags


def test_every_component_is_used() -> None:
    text = make_documentation(EXTERNAL_URL).document.decode()
    for section, named in openapi_document(EXTERNAL_URL)["components"].items():
        for name in named:
            assert section == "securitySchemes" or f'"#/components/{section}/{name}"' in text, name


async def test_the_document_is_open_to_everybody_and_names_the_server(api: Api) -> None:
    answer = await api.call("GET", "/api/openapi.json", headers={"PRIVATE-TOKEN": "unknown"})
    assert answer.body["info"]["version"] == VERSION

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body == openapi_document(EXTERNAL_URL)
    assert answer.body["servers"] == [{"url": EXTERNAL_URL}]


async def test_who_has_the_document_is_not_sent_it_again(api: Api) -> None:
    first = await api.call("GET", "/api/openapi.json")

    again = await api.call("GET", "/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status, again.body) == (304, b"")


@pytest.fixture(scope="module", autouse=True)
def _vendored() -> None:
    fetched()


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/"])
async def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_within(api: Api, path: str) -> None:
    answer = await api.call("GET", path)
    text = answer.body.decode()

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>", text) == re.findall(r"<script src=[^>]* defer>(?=</script>)", text)
    assert not re.search(r"https?://|<style|\son\w+=|style=", text)
    loaded = re.findall(r'(?:src|href)="/api/docs/([^"]+)"', text)
    assert sorted(loaded) == sorted(FILES)


@pytest.mark.parametrize(("file", "kind"), FILES.items())
async def test_the_files_of_the_page_are_served_and_may_be_kept(api: Api, file: str, kind: str) -> None:
    answer = await api.call("GET", f"/api/docs/{file}")

    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["Content-Encoding"] == "gzip"  # which the client has asked for
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.body) > 100


@pytest.mark.parametrize(
    "file",
    [
        "swagger-ui.js",
        "index.css",
        "..%2Fcore.py",
        "..%2Fstatic%2Fswagger-ui.css",
        "%2Fetc%2Fpasswd",
        "..",
        ".",
    ],
)
async def test_no_other_file_is_served(api: Api, file: str) -> None:
    answer = await api.call("GET", f"/api/docs/{file}")

    assert (answer.status, answer.body) == (404, {"error": "404 Not Found"})


def test_the_page_knows_the_path_before_its_own() -> None:
    text = make_documentation("https://example.com/a%22b/gitlab").page

    assert 'data-document="/a&quot;b/gitlab/api/openapi.json"' in text
    assert 'src="/a&quot;b/gitlab/api/docs/start.js"' in text
    assert '<a href="/a&quot;b/gitlab/">Crossdock</a>' in text
