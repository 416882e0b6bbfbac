"""Serves the OpenAPI and AsyncAPI documents and a page that shows them, without authentication."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from aiohttp import web

from services.api.pages.asyncapi.document import asyncapi_document
from services.api.pages.openapi.document import openapi_document
from services.api.pages.openapi.page import POLICY, page, page_files

_CACHED = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class Documentation:
    """The documents, and the page for browsers."""

    document: bytes
    queues: bytes
    page: str


DOCUMENTATION = web.AppKey("documentation", Documentation)


def make_documentation(external_url: str, *, broker_prefix: str = "crossdock.") -> Documentation:
    """Make the documents for clients that reach the server by ``external_url``."""
    return Documentation(
        document=msgspec.json.encode(openapi_document(external_url)),
        queues=msgspec.json.encode(asyncapi_document(external_url, prefix=broker_prefix)),
        page=page(external_url),
    )


async def document(request: web.Request) -> web.Response:
    """GET /api/openapi.json."""
    return web.Response(body=request.app[DOCUMENTATION].document, content_type="application/json")


async def queues(request: web.Request) -> web.Response:
    """GET /api/asyncapi.json."""
    return web.Response(body=request.app[DOCUMENTATION].queues, content_type="application/json")


async def read(request: web.Request) -> web.Response:
    """GET /api/docs."""
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(text=request.app[DOCUMENTATION].page, headers=headers, content_type="text/html")


async def file(request: web.Request) -> web.Response:
    """GET /api/docs/:file."""
    found = page_files().get(request.match_info["file"])
    if found is None:
        raise web.HTTPNotFound
    headers = {"Cache-Control": _CACHED}
    return web.Response(body=found.body, headers=headers, content_type=found.content_type)
