"""An OpenAPI document whose answers may have nothing that it does not describe."""

from __future__ import annotations

import json
from typing import Any

_SCHEMAS = "#/components/schemas/"


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """Give a copy in which no object of an answer may have properties that its schema does not name.

    A schema that others extend with ``allOf`` is closed where the whole of it is used.
    """
    copy: dict[str, Any] = json.loads(json.dumps(document))
    schemas = copy["components"]["schemas"]
    asked = set(_referred(copy["components"]["requestBodies"]))
    for path in copy["paths"].values():
        for method, operation in path.items():
            if method != "parameters":
                _close(operation["responses"], schemas)
    _close(copy["components"]["responses"], schemas)
    for name, schema in schemas.items():
        if name not in asked:
            _close(schema, schemas)
    return copy


def _referred(part: object) -> list[str]:
    if isinstance(part, list):
        return [name for each in part for name in _referred(each)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"].removeprefix(_SCHEMAS)] if "$ref" in part else []
    return own + _referred(list(part.values()))


def _close(part: object, schemas: dict[str, Any]) -> None:
    if isinstance(part, list):
        for each in part:
            _close(each, schemas)
    if not isinstance(part, dict):
        return
    referred = schemas.get(part.get("$ref", "").removeprefix(_SCHEMAS), {})
    if {"properties", "allOf"} & referred.keys():
        part["unevaluatedProperties"] = False
    for name, value in part.items():
        if name != "allOf":
            _close(value, schemas)
