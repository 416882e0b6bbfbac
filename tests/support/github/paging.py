"""Pages of lists, and the cursors that lead from one to the next."""

from __future__ import annotations

import base64
import hashlib
import re

from aiohttp import web

_USUAL, _MOST = 30, 100


class CursorRefused(Exception):  # it is an answer
    """The cursor is none of this list."""


def page_of(request: web.Request) -> slice:
    """Give which items are asked for. Raises CursorRefused."""
    start = _position(request.query.get("after"), request.path)
    return slice(start, start + min(int(request.query.get("per_page", _USUAL)), _MOST))


def links(request: web.Request, *, prefix: str, repository: int, position: int) -> str:
    """Write the links to the page at a position and to the first, by the number of the repository.

    That is how github.com writes them.
    """
    below = request.path.removeprefix(prefix)
    numbered = re.sub(r"^/(repos/[^/]+/[^/]+|repositories/\d+)", f"/repositories/{repository}", below)
    url = request.url.with_path(prefix + numbered)
    first = {name: value for name, value in request.query.items() if name != "after"}
    following = {**first, "after": _cursor(position, url.path)}
    return f'<{url.with_query(first)}>; rel="first", <{url.with_query(following)}>; rel="next"'


def _cursor(position: int, path: str) -> str:
    """Make a cursor, which is good for one list alone."""
    digest = hashlib.sha256(path.encode()).hexdigest()[:8]
    return base64.urlsafe_b64encode(f"{digest}:{position}".encode()).decode()


def _position(cursor: str | None, path: str) -> int:
    if cursor is None:
        return 0
    try:
        position = int(base64.urlsafe_b64decode(cursor).decode().partition(":")[2])
    except ValueError:
        raise CursorRefused from None
    if _cursor(position, path) != cursor:
        raise CursorRefused
    return position
