"""Makes the OpenAPI document from ``openapi.yaml``, ``components`` and ``paths``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from services.api.pages.yaml_documents import add, add_sections, parts, read

_OWN = "/api/crossdock/"
_WITH_KEYS = ("/api/v4/", _OWN)
_KEY_REFUSED = {"400": "BadRequest", "409": "Conflict", "422": "Unprocessable"}


def openapi_document(external_url: str) -> dict[str, Any]:
    """Return the document for clients that reach the server by ``external_url``. Do not change its values."""
    return _join() | {"servers": [{"url": external_url}]}


@cache
def _join() -> dict[str, Any]:
    document = read(__package__, "openapi.yaml")
    document["info"]["version"] = version("crossdock")
    document["paths"] = {}
    document["components"] = {}
    for part in parts(__package__, "paths"):
        add(document["paths"], part["paths"])
    for part in parts(__package__, "components"):
        add_sections(document["components"], part)
    for path, item in document["paths"].items():
        if path.startswith(_WITH_KEYS) and "post" in item:
            _add_key(item["post"], problems=path.startswith(_OWN))
    return document


def _add_key(operation: dict[str, Any], *, problems: bool) -> None:
    """Add ``Idempotency-Key`` and its error responses to a POST, unless the POST describes such responses."""
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    operation["parameters"] = [*operation.get("parameters", []), key]
    for status, name in _KEY_REFUSED.items():
        response = {"$ref": f"#/components/responses/{name}{'Problem' if problems else ''}"}
        operation["responses"].setdefault(status, response)
