"""Pagination by cursor. A cursor names the last item of a page, so that no item is missed or repeated."""

from __future__ import annotations

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from services.api.http.pagination import link
from services.api.http.parameters import ParameterReader

LARGEST = 100
_NUMBER = struct.Struct(">q")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CursorPage:
    """The requested part of a list: ``size`` items after the item ``behind``, or the first ones if None."""

    behind: int | None
    size: int


def cursor_page_of(request: web.Request) -> CursorPage:
    """Read the requested part of a list: 20 items by default. Raises ParametersInvalid."""
    reader = ParameterReader(request.query)
    size = reader.integer("per_page", default=20) or 0
    if not reader.problems and not 1 <= size <= LARGEST:
        reader.problem("per_page", f"must be between 1 and {LARGEST}")
    given = request.query.get("cursor")
    behind = _decode(given) if given else None
    if given and behind is None:
        reader.problem("cursor", "is invalid")
    reader.finish()
    return CursorPage(behind, size)


def split_page(
    request: web.Request, cut: CursorPage, found: Sequence[_T], *, number: Callable[[_T], int]
) -> tuple[Sequence[_T], dict[str, str]]:
    """Return the page's items, and a header with the next page if ``found`` has one item more."""
    shown = found[: cut.size]
    return shown, _next_header(request, number(shown[-1])) if len(found) > cut.size else {}


def _next_header(request: web.Request, last: int) -> dict[str, str]:
    """Return the header that links to the items after the one with the id ``last`` (RFC 8288)."""
    cursor = urlsafe_b64encode(_NUMBER.pack(last)).decode().rstrip("=")
    return {"Link": f'<{link(request, cursor=cursor)}>; rel="next"'}


def _decode(text: str) -> int | None:
    try:
        (number,) = _NUMBER.unpack(urlsafe_b64decode(f"{text}="))
    except (binascii.Error, struct.error, ValueError):
        return None
    return int(number) if number > 0 else None
