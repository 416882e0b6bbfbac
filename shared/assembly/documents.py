"""The files of an archive that are ours to make: VERSION, and tree/project.json with what was overridden."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shared.projects.models import VISIBILITIES

VERSION = b"0.2.4"
"""GitLab's format version (no newline), unchanged since GitLab 11.1."""

_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def project_attributes(document: bytes, overrides: Mapping[str, object]) -> bytes:
    """Lay ``overrides`` over the attributes in ``document`` (a JSON object); other values keep their bytes.

    Gives ``document`` itself where nothing is overridden. New values are escaped as GitLab escapes them.
    """
    if not overrides:
        return document
    attributes = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    for name, value in overrides.items():
        key, new = ("visibility_level", VISIBILITIES[str(value)]) if name == "visibility" else (name, value)
        attributes[key] = msgspec.Raw(_escaped(new))
    return msgspec.json.encode(attributes)


def _escaped(value: object) -> bytes:
    text = msgspec.json.encode(value).decode()
    return text.translate(_ESCAPES).encode()
