"""The pages that show the descriptions, and the licences of what they load."""

from __future__ import annotations

import re
from functools import partial
from html import escape
from pathlib import Path

import pytest

from services.api.console.vendoring import FOLDER, locked
from services.api.pages.asyncapi.document import asyncapi_document
from services.api.pages.asyncapi.page import asyncapi_page
from services.api.pages.asyncapi.schemas import Schemas
from services.api.pages.documentation import make_documentation
from services.api.pages.licences import licence_page
from tests.support.api import EXTERNAL_URL, Api
from tests.support.asyncapi import invalid
from tests.support.vendored import fetched

DOCUMENT = asyncapi_document(EXTERNAL_URL, prefix="one.")
MESSAGES = DOCUMENT["components"]["messages"]
PAGE = asyncapi_page(DOCUMENT, prefix="/below")


@pytest.mark.parametrize("name", MESSAGES)
def test_the_example_of_a_message_is_as_it_is_described(name: str) -> None:
    schemas = Schemas(DOCUMENT)
    for part in ("headers", "payload"):
        schema = MESSAGES[name].get(part, {"type": "object"})
        assert invalid(DOCUMENT, schema, schemas.example(schema)) == []


def test_the_page_of_messages_has_all_channels_and_messages_and_their_links_lead_there() -> None:
    ids = set(re.findall(r' id="([^"]+)"', PAGE))

    assert ids == {*DOCUMENT["channels"], *MESSAGES}
    assert set(re.findall(r'href="#([^"]+)"', PAGE)) == ids


@pytest.mark.parametrize(
    "field",
    ["job.id", "archive.sha256", "progress.relations.*.lines", "progress.phases[].name", "source.s3.region"],
)
def test_the_page_of_messages_names_fields_within_fields(field: str) -> None:
    assert f"<td><code>{field}</code>" in PAGE


def test_a_schema_that_has_itself_as_a_field_ends() -> None:
    document = {
        "components": {"schemas": {"Tree": {"properties": {"tree": {"$ref": "#/components/schemas/Tree"}}}}}
    }

    names = [each.name for each in Schemas(document).fields({"$ref": "#/components/schemas/Tree"})]

    assert names[:2] == ["tree", "tree.tree"]
    assert len(names) == 9


def test_the_page_of_messages_leads_to_addresses_below_the_path_of_the_server() -> None:
    assert '<a href="/below/api/asyncapi.json">' in PAGE
    assert "one.commands" in PAGE


def test_what_the_document_says_is_text_of_the_page_and_no_html() -> None:
    channel = {"title": "<i>&", "address": "<b>", "messages": {}}
    document = DOCUMENT | {"channels": {"x": channel}}

    text = asyncapi_page(document, prefix="")

    assert "&lt;i&gt;&amp;" in text
    assert "<i>" not in text
    assert "<b>" not in text


@pytest.mark.parametrize("path", ["/api/asyncapi", "/api/licences"])
async def test_the_pages_are_open_to_everybody_and_load_nothing(api: Api, path: str) -> None:
    answer = await api.call("GET", path, headers={"PRIVATE-TOKEN": "unknown"})
    text = answer.body.decode()

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"<(script|link|img|iframe)|src=|style=", text)


def test_the_page_of_licences_has_the_whole_text_of_each() -> None:
    fetched()
    text = licence_page(FOLDER)

    for package in locked():
        assert f"<td>{package.name}<td>{package.version}<td>{package.licence}" in text
        for name in package.licences:
            assert escape((FOLDER / name).read_text().strip(), quote=False) in text


@pytest.fixture
def unfetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No browser files where the application is made that a test asks for behind this."""
    made = partial(make_documentation, vendor=tmp_path / "none")
    monkeypatch.setattr("services.api.app.make_documentation", made)


@pytest.mark.usefixtures("unfetched")
async def test_where_the_files_are_missing_the_pages_say_so_in_words(api: Api) -> None:
    docs = await api.call("GET", "/api/docs")
    licences = await api.call("GET", "/api/licences")
    file = await api.call("GET", "/api/docs/swagger-ui.css")

    assert docs.status == 200
    assert "run <code>make setup</code>" in docs.body.decode()
    assert '<a href="/api/openapi.json">' in docs.body.decode()
    assert "They are not installed on this server" in licences.body.decode()
    assert file.status == 404
