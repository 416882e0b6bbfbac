"""Declared attributes of a JSON object whose values nobody has checked; the rest of it is not built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from shared.gitlab import nesting

_NULL = msgspec.Raw(b"null")
_LISTED = 1024 * 1024
"""Bytes of a nested list that is looked into: thousands of labels. A longer one counts as empty."""

_SHORT = 4096
"""Bytes of a text that is understood, rather than passed on; GitLab's have 255 characters at most."""

T = TypeVar("T")


class Fields:
    """The values by name: absent ones are null, and so are those of a type that was not asked for."""

    def __init__(self, values: object) -> None:
        self._values = values

    def raw(self, name: str) -> msgspec.Raw:
        """Give the JSON of a value."""
        value: msgspec.Raw = getattr(self._values, name)
        return value

    def scalar(self, name: str) -> msgspec.Raw:
        """Give the JSON of a text, number or boolean as it is."""
        raw = self.raw(name)
        return _NULL if bytes(memoryview(raw)[:1]) in (b"{", b"[") else raw

    def scalars(self, *names: str) -> dict[str, msgspec.Raw]:
        """Give several under their names."""
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
    """Make what reads these attributes of an object; of anything else, it reads that there are none."""
    struct = _struct(attributes)
    nothing = Fields(struct())

    def read(text: Any) -> Fields:  # noqa: ANN401  # bytes, or a part of them that is msgspec.Raw
        found = _decoded(text, struct)
        return nothing if found is None else Fields(found)

    return read


def nested(fields: Fields, name: str, read: Callable[[Any], Fields]) -> Fields:
    """Read an object within."""
    return read(fields.raw(name))


def listed(fields: Fields, name: str, *attributes: str) -> Sequence[Fields]:
    """Read a list of objects within."""
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
    except RecursionError:  # as deep as imports allow is deeper than the decoder goes
        return msgspec.json.decode(nesting.flatten(bytes(memoryview(text))), type=of)
