"""The names of the parameters that each operation of the OpenAPI document takes in its query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Described: TypeAlias = Mapping[str, Any]
"""A document, or a part of one."""


def query_names(document: Described, method: str, address: str) -> frozenset[str] | None:
    """Return the names for an operation; None if the document does not describe it.

    The members of a body are among them, because they may come in the query as well.
    """
    item = document["paths"].get(address, {})
    operation = item.get(method.lower())
    if operation is None:
        return None
    described = [_resolve(document, each) for each in _parameters(item, operation)]
    queried = {each["name"].partition("[")[0] for each in described if each["in"] == "query"}
    return frozenset(queried | set(_members_of_body(document, operation)))


def _parameters(*described: Described) -> list[Described]:
    return [parameter for each in described for parameter in each.get("parameters", [])]


def _members_of_body(document: Described, operation: Described) -> Iterator[str]:
    body = _resolve(document, operation.get("requestBody", {}))
    for media in body.get("content", {}).values():
        yield from _members(document, media.get("schema", {}))


def _members(document: Described, schema: Described) -> Iterator[str]:
    described = _resolve(document, schema)
    yield from described.get("properties", {})
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in described.get(keyword, []):
            yield from _members(document, part)


def _resolve(document: Described, described: Described) -> Described:
    while "$ref" in described:
        found: Any = document
        for step in described["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        described = found
    return described
