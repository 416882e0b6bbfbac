"""Reads declared attributes of a JSON object that has not been validated; nothing else of it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from shared.gitlab import nesting

_NULL = msgspec.Raw(b"null")
_LISTED = 1024 * 1024
"""Bytes of a nested list that is read: thousands of labels. A longer list reads as empty."""

_SHORT = 4096
"""Bytes of a text or number that is decoded, rather than passed on; GitLab's have 255 characters at most."""

T = TypeVar("T")


class Fields:
    """The values by name: an absent value reads as null, and so does a value of another type."""

    def __init__(self, values: object) -> None:
        self._values = values

    def raw(self, name: str) -> msgspec.Raw:
        """Give a value as JSON."""
        value: msgspec.Raw = getattr(self._values, name)
        return value

    def scalar(self, name: str) -> msgspec.Raw:
        """Give a text, number or boolean as JSON; null for an object or a list."""
        raw = self.raw(name)
        return _NULL if bytes(memoryview(raw)[:1]) in (b"{", b"[") else raw

    def scalars(self, *names: str) -> dict[str, msgspec.Raw]:
        """Give several scalars by their names."""
        return {name: self.scalar(name) for name in names}

    def text(self, name: str) -> str | None:
        """Read a short text."""
        return self._short(name, str)

    def number(self, name: str) -> int | None:
        """Read a whole number."""
        return self._short(name, int)

    def _short(self, name: str, of: type[T]) -> T | None:
        raw = self.raw(name)
        return _decoded(raw, of) if len(memoryview(raw)) <= _SHORT else None


@lru_cache
def reader(*attributes: str) -> Callable[[Any], Fields]:
    """Make a function that reads these attributes of an object; what is not an object has none of them."""
    struct = _struct(attributes)
    nothing = Fields(struct())

    def read(text: Any) -> Fields:  # noqa: ANN401  # bytes, or a part of them that is msgspec.Raw
        found = _decoded(text, struct)
        return nothing if found is None else Fields(found)

    return read


def read_object(fields: Fields, name: str, read: Callable[[Any], Fields]) -> Fields:
    """Read a nested object."""
    return read(fields.raw(name))


def read_list(fields: Fields, name: str, *attributes: str) -> Sequence[Fields]:
    """Read a nested list of objects."""
    raw = fields.raw(name)
    if len(memoryview(raw)) > _LISTED:
        return ()
    of: Any = list[_struct(attributes)]  # type: ignore[misc]  # made here, where mypy cannot see it
    return [Fields(item) for item in _decoded(raw, of) or ()]


@lru_cache
def _struct(attributes: tuple[str, ...]) -> type[msgspec.Struct]:
    return msgspec.defstruct("Attributes", [(name, msgspec.Raw, _NULL) for name in attributes], gc=False)


def _decoded(text: Any, of: type[T]) -> T | None:  # noqa: ANN401  # bytes or msgspec.Raw
    try:
        return _decode(text, of)
    except msgspec.ValidationError:
        return None


def _decode(text: Any, of: type[T]) -> T:  # noqa: ANN401  # the same
    try:
        return msgspec.json.decode(text, type=of)
    except RecursionError:  # as deep as imports allow is deeper than the call stack lets the decoder go
        with nesting.room_to_recurse():
            return msgspec.json.decode(text, type=of)
