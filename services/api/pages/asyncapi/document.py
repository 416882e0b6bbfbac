"""Makes the AsyncAPI document from ``asyncapi.yaml``, ``channels`` and ``components``."""

from __future__ import annotations

from functools import cache
from typing import Any

from services.api.pages.yaml_documents import add_sections, parts, read


def asyncapi_document(external_url: str, *, prefix: str) -> dict[str, Any]:
    """Return the document for clients that reach the server by ``external_url``. Do not change its values.

    The names of exchanges begin with ``prefix``.
    """
    document = _join()
    docs = {"url": f"{external_url}/api/docs", "description": "The API by HTTP"}
    channels = {name: _prefix(channel, prefix) for name, channel in document["channels"].items()}
    return document | {"info": document["info"] | {"externalDocs": docs}, "channels": channels}


def _prefix(channel: dict[str, Any], prefix: str) -> dict[str, Any]:
    if "bindings" not in channel:
        return channel  # a queue of another system's
    binding = channel["bindings"]["amqp"]
    exchange = binding["exchange"] | {"name": prefix + binding["exchange"]["name"]}
    return channel | {"bindings": {"amqp": binding | {"exchange": exchange}}}


@cache
def _join() -> dict[str, Any]:
    document = read(__package__, "asyncapi.yaml")
    document |= {"channels": {}, "operations": {}, "components": {}}
    for part in parts(__package__, "channels"):
        add_sections(document, part)
    for part in parts(__package__, "components"):
        add_sections(document["components"], part)
    return document
