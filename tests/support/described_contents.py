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
    """The manifest of an exported archive without the files that each export makes."""
    return _manifest({name: data for name, data in files(packed).items() if name not in _DOCUMENTS})


def manifest_of(packed: bytes) -> str:
    """The manifest of an exported archive."""
    return _manifest(files(packed))


def digest_of(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest(found: Mapping[str, bytes]) -> str:
    names = sorted((name for name in found if not name.endswith("/")), key=str.encode)
    value = {"files": [_described(name, found[name]) for name in names], "version": 1}
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _described(name: str, data: bytes) -> dict[str, object]:
    described: dict[str, object] = {
        "name": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    if name.startswith("tree/project/") and name.endswith(".ndjson") and name.count("/") == _DEPTH:
        described["lines"] = sum(line.strip() != b"null" for line in data.splitlines())
    return described
