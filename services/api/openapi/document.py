"""The OpenAPI document, joined of this folder's files: ``openapi.yaml``, ``components`` and ``paths``."""

from __future__ import annotations

from functools import cache
from typing import Any

from services.api.joining import add, add_sections, parts, read


def openapi_document(external_url: str) -> dict[str, Any]:
    """Give the document of a server that is reached by ``external_url``; what is in it is shared."""
    return _joined() | {"servers": [{"url": external_url}]}


@cache
def _joined() -> dict[str, Any]:
    document = read(__package__, "openapi.yaml")
    document["paths"] = {}
    document["components"] = {}
    for part in parts(__package__, "paths"):
        add(document["paths"], part["paths"])
    for part in parts(__package__, "components"):
        add_sections(document["components"], part)
    return document
