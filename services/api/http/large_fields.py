"""Reads parameters of which some may be long, without holding up others meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from services.api.http.form_data import LARGE_FIELDS
from shared.shielding import on_thread

T = TypeVar("T")
G = TypeVar("G")

_LONGEST_TEXT = 16 * 1024
_LONGEST_LIST = 100
"""A value with more characters, or items, is read on a thread: the largest one takes 0.1 s."""


async def read_fields(read: Callable[[G], T], given: G, fields: Mapping[str, object]) -> T:
    """Return what ``read`` makes of what is given; on a thread where one of the ``fields`` in it is long."""
    is_long = any(_is_long(fields.get(name)) for name in LARGE_FIELDS)
    return await on_thread(read, given) if is_long else read(given)


def _is_long(value: object) -> bool:
    if isinstance(value, str):
        return len(value) > _LONGEST_TEXT
    return isinstance(value, list) and len(value) > _LONGEST_LIST
