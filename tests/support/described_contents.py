"""Manifests as they ought to be, made of archives by Python's own tar and JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from tests.support.projects import files

_DOCUMENTS = ("VERSION", "tree/project.json")
_DEPTH = 2
"""Slashes in the name of a relation's file."""


def content_of(packed: bytes) -> str:
    """The lines of a manifest of an exported archive, but for the first."""
    found = {name: data for name, data in files(packed).items() if not name.endswith("/")}
    ordered = sorted(found.keys() - set(_DOCUMENTS), key=str.encode)
    return "".join(_line(_described(name, found[name])) for name in ordered)


def manifest_of(packed: bytes) -> str:
    """The manifest of an exported archive."""
    found, content = files(packed), content_of(packed)
    head = {
        "content": hashlib.sha256(content.encode()).hexdigest(),
        "documents": [_described(name, found[name]) for name in _DOCUMENTS],
        "version": 1,
    }
    return _line(head) + content


def digest_of(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _described(name: str, data: bytes) -> dict[str, object]:
    described: dict[str, object] = {
        "name": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    if name.startswith("tree/project/") and name.endswith(".ndjson") and name.count("/") == _DEPTH:
        described["lines"] = sum(line.strip() != b"null" for line in data.splitlines())
    return described


def _line(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
