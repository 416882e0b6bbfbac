"""The OpenAPI document, joined of this folder's files: ``openapi.yaml``, ``components`` and ``paths``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, where PyYAML has it, as it is ten times as fast."""

_OWN = "/api/crossdock/"
_WITH_KEYS = ("/api/v4/", _OWN)
_KEY_REFUSED = {"400": "BadRequest", "409": "Conflict", "422": "Unprocessable"}


def openapi_document(external_url: str) -> dict[str, Any]:
    """Give the document of a server that is reached by ``external_url``; what is in it is shared."""
    return _joined() | {"servers": [{"url": external_url}]}


@cache
def _joined() -> dict[str, Any]:
    document = _read("openapi.yaml")
    document["paths"] = {}
    document["components"] = {}
    for part in (_read(name) for name in _parts("paths")):
        _add(document["paths"], part["paths"])
    for part in (_read(name) for name in _parts("components")):
        for section, named in part.items():
            _add(document["components"].setdefault(section, {}), named)
    for path, item in document["paths"].items():
        if path.startswith(_WITH_KEYS) and "post" in item:
            _take_key(item["post"], problems=path.startswith(_OWN))
    return document


def _take_key(operation: dict[str, Any], *, problems: bool) -> None:
    """Add what holds for every POST: the key, and what is said against it where nothing is said yet."""
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    operation["parameters"] = [*operation.get("parameters", []), key]
    for status, name in _KEY_REFUSED.items():
        response = {"$ref": f"#/components/responses/{name}{'Problem' if problems else ''}"}
        operation["responses"].setdefault(status, response)


def _parts(folder: str) -> Iterator[str]:
    names = (file.name for file in files(__package__).joinpath(folder).iterdir())
    return (f"{folder}/{name}" for name in sorted(names) if name.endswith(".yaml"))


def _read(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(name).read_text("utf-8")
    content = yaml.load(text, _LOADER)  # noqa: S506  # a safe one
    return {key: value for key, value in content.items() if not key.startswith("x-")}


def _add(to: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if name in to:
            raise ValueError(f"{name} is described twice")
        to[name] = value
