"""Reads and validates those attributes of a record that GitLab validates, and no others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import msgspec
from msgspec import UNSET, Raw, UnsetType

from shared.gitlab.relations import MAX_LENGTH, REQUIRED

_LONG_TEXT = 64 * 1024
_NO_LIMITS: Mapping[str, int] = {}
_NULL = Raw(b"null")
_EMPTY_LIST = len(b"[]")
_QUOTE = ord('"')
_VISIBLE = frozenset(range(0x21, 0x7F)) - frozenset(b'"\\')
_INTEGER = re.compile(rb"[0-9]{1,18}")


class RecordAttributes(msgspec.Struct, gc=False):
    """Views into the line; the class for each relation adds its required attributes to the common ones."""

    iid: Raw | UnsetType = UNSET
    designs: Raw | UnsetType = UNSET


def decoder(relation: str) -> msgspec.json.Decoder[RecordAttributes]:
    """Give a decoder for records of ``relation``: it parses the whole record, and builds hardly any of it."""
    return _decoder(REQUIRED.get(relation, ()))


@cache
def _decoder(required: tuple[str, ...]) -> msgspec.json.Decoder[RecordAttributes]:
    fields = [(name, Raw | UnsetType, UNSET) for name in required]
    return msgspec.json.Decoder(msgspec.defstruct("Required", fields, bases=(RecordAttributes,), gc=False))


def identifiers(record: RecordAttributes) -> dict[str, int]:
    """Give what GitLab calls external identifiers: the iid, where there is one."""
    iid = record.iid
    return {"iid": int(bytes(iid))} if iid is not UNSET and _INTEGER.fullmatch(iid) else {}


def has_designs(designs: Raw) -> bool:
    """Tell whether there are designs: a list that is not empty."""
    return len(designs) > _EMPTY_LIST and bytes(designs).lstrip(b"[ ")[:1] == b"{"


def faults(record: RecordAttributes, *, relation: str) -> list[str]:
    """Give the messages of GitLab's models about ``record``, such as ``Title can't be blank``."""
    limits = MAX_LENGTH.get(relation, _NO_LIMITS)
    found = (
        (name, _fault(getattr(record, name), limit=limits.get(name))) for name in REQUIRED.get(relation, ())
    )
    return [f"{name.replace('_', ' ').capitalize()} {fault}" for name, fault in found if fault]


def _fault(value: Raw | UnsetType, *, limit: int | None) -> str | None:
    """Validate a value as Rails does: numbers count as strings. A long string is not decoded."""
    if value is UNSET or value == _NULL:
        return "can't be blank"
    view = memoryview(value)
    if view[0] != _QUOTE or _plainly_good(view, limit):
        return None
    length = len(value)
    if length <= _LONG_TEXT:
        length = len(msgspec.json.decode(value, type=str).strip())
    if not length:
        return "can't be blank"
    return f"is too long (maximum is {limit} characters)" if limit and length > limit else None


def _plainly_good(text: memoryview, limit: int | None) -> bool:
    """Tell whether a string is valid by its bytes alone: the first is visible, and there are few enough."""
    visible = text[1] in _VISIBLE
    return visible and (limit is None or len(text) - 2 <= limit)
