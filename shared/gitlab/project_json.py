"""tree/project.json: what an import reads of it, and the document of an export with overrides applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from shared.gitlab.json_document import InvalidDocument, JsonDocument
from shared.gitlab.record_json import escaped
from shared.gitlab.visibility import VISIBILITIES

ATTRIBUTE_LIMIT = 100_000
"""The most attributes of a project; GitLab writes about seventy."""

_DESCRIPTION_LIMIT = 64 * 1024
_NULL = msgspec.Raw(b"null")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ProjectAttributes:
    """The attributes that an import applies to the project; None where they are missing or invalid."""

    description: str | None = None
    visibility_level: int | None = None


class _Taken(msgspec.Struct, frozen=True):
    description: msgspec.Raw = _NULL
    visibility_level: msgspec.Raw = _NULL


class ProjectDocument:
    """tree/project.json: one JSON object."""

    parses = True
    work = 0

    def __init__(self, name: str) -> None:
        self._document = JsonDocument(name)
        self.attributes = ProjectAttributes()

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises InvalidDocument."""
        self._document.feed(data)

    def close(self) -> None:
        """Parse the document. Raises InvalidDocument."""
        document, self._document = self._document, JsonDocument(self._document.name)
        taken = document.close(_Taken)
        # Every attribute has its colon: an export that overrides some holds them all.
        if document.data.count(b":") > ATTRIBUTE_LIMIT:
            raise InvalidDocument(document.name, f"over the limit of {ATTRIBUTE_LIMIT} attributes")
        level = _value(taken.visibility_level, int)
        self.attributes = ProjectAttributes(
            description=_value(taken.description, str),
            visibility_level=level if level in {0, 10, 20} else None,
        )


def _value(raw: msgspec.Raw, of: type[_T]) -> _T | None:
    """Give the value where it has that type; GitLab allows 2000 characters, so 64 KiB are never valid."""
    if len(raw) > _DESCRIPTION_LIMIT:
        return None
    try:
        return msgspec.json.decode(raw, type=of)
    except msgspec.ValidationError:
        return None


def project_attributes(document: bytes, overrides: Mapping[str, object]) -> bytes:
    """Apply ``overrides`` to the attributes in ``document`` (a JSON object); other values keep their bytes.

    Gives ``document`` itself where there are no overrides. New values are escaped as GitLab escapes them.
    """
    if not overrides:
        return document
    attributes = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    for name, value in overrides.items():
        key, new = ("visibility_level", VISIBILITIES[str(value)]) if name == "visibility" else (name, value)
        attributes[key] = msgspec.Raw(escaped(new))
    return msgspec.json.encode(attributes)
