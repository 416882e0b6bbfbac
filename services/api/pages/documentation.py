"""Serves the OpenAPI and AsyncAPI documents and pages that show them, without authentication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import web
from yarl import URL

from services.api.console.assets import Asset, send_asset
from services.api.console.vendoring import FOLDER
from services.api.pages.asyncapi.document import asyncapi_document
from services.api.pages.asyncapi.page import asyncapi_page
from services.api.pages.html import address, document_page
from services.api.pages.licences import licence_page
from services.api.pages.openapi.document import openapi_document
from services.api.pages.openapi.page import POLICY, missing, page, page_files

_CACHED = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class Documentation:
    """The documents, and the pages for browsers; ``files`` is what the page of OpenAPI loads."""

    document: bytes
    queues: bytes
    page: str
    queues_page: str
    licences_page: str
    files: Mapping[str, Asset]


DOCUMENTATION = web.AppKey("documentation", Documentation)


def make_documentation(
    external_url: str, *, broker_prefix: str = "crossdock.", vendor: Path = FOLDER
) -> Documentation:
    """Make the documents for clients that reach the server by ``external_url``, which may have a path."""
    prefix = URL(external_url).path.rstrip("/")
    queues = asyncapi_document(external_url, prefix=broker_prefix)
    return Documentation(
        document=msgspec.json.encode(openapi_document(external_url)),
        queues=msgspec.json.encode(queues),
        page=page(prefix),
        queues_page=asyncapi_page(queues, prefix=prefix),
        licences_page=licence_page(vendor),
        files=page_files(vendor),
    )


async def document(request: web.Request) -> web.Response:
    """GET /api/openapi.json."""
    return web.Response(body=request.app[DOCUMENTATION].document, content_type="application/json")


async def queues(request: web.Request) -> web.Response:
    """GET /api/asyncapi.json."""
    return web.Response(body=request.app[DOCUMENTATION].queues, content_type="application/json")


async def read(request: web.Request) -> web.Response:
    """GET /api/docs."""
    documentation = request.app[DOCUMENTATION]
    if not documentation.files:
        return document_page(request, "Crossdock API", missing(address(request, "")))
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(text=documentation.page, headers=headers, content_type="text/html")


async def read_queues(request: web.Request) -> web.Response:
    """GET /api/asyncapi."""
    return document_page(request, "Crossdock by queue", request.app[DOCUMENTATION].queues_page)


async def read_licences(request: web.Request) -> web.Response:
    """GET /api/licences."""
    return document_page(request, "Licences", request.app[DOCUMENTATION].licences_page)


async def file(request: web.Request) -> web.Response:
    """GET /api/docs/:file."""
    found = request.app[DOCUMENTATION].files.get(request.match_info["file"])
    if found is None:
        raise web.HTTPNotFound
    return await send_asset(request, found, cached=_CACHED)
