"""The AsyncAPI document as its readers use it."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft7Validator, FormatChecker

from shared.broker.base import Message

Document = dict[str, Any]


def resolved(document: Document, part: Any) -> Any:
    """Follow a reference to its end."""
    while isinstance(part, dict) and "$ref" in part:
        path = part["$ref"].removeprefix("#/").split("/")
        part = document
        for name in path:
            part = part[name]
    return part


def closed(document: Document) -> Document:
    """Give a copy whose schemas of objects allow nothing that they do not name."""
    copy: Document = json.loads(json.dumps(document))
    _close(copy["components"]["schemas"])
    return copy


def _close(part: Any) -> None:
    if isinstance(part, list):
        for each in part:
            _close(each)
    if isinstance(part, dict):
        if part.get("type") == "object" and "properties" in part:
            part.setdefault("additionalProperties", False)
        for each in part.values():
            _close(each)


def problems(document: Document, message: Message, description: Any) -> list[str]:
    """Say in what a message in binary mode is not as it is described."""
    described = resolved(document, description)
    found = [] if message.content_type == described["contentType"] else ["contentType"]
    for part, schema in ((dict(message.headers), "headers"), (json.loads(message.body), "payload")):
        found += invalid(document, described[schema], part)
    return found


def invalid(document: Document, schema: Any, value: Any) -> list[str]:
    """Say in what a value is not as a schema of the document has it."""
    whole = {"components": document["components"], "allOf": [schema]}
    errors = Draft7Validator(whole, format_checker=FormatChecker()).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in errors]
