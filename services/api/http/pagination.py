"""Pagination by ``page`` and ``per_page``, with GitLab's headers and ``Link`` (RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from yarl import URL

from services.api.http.parameters import TOKEN_PARAMETERS, ParameterReader
from services.api.http.responses import external_url, json_response
from shared.database.search import Found

T = TypeVar("T")

_LARGEST = 100
_LAST = 1_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """The requested page; the first is number 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """The number of items on the pages before this one."""
        return (self.number - 1) * self.size


def page_of(request: web.Request) -> Page:
    """Read the requested page: 20 items by default, 100 at most. Raises ParametersInvalid."""
    reader = ParameterReader(request.query)
    number = reader.integer("page", default=1)
    size = reader.integer("per_page", default=20)
    reader.finish()
    return Page(min(max(number or 1, 1), _LAST), min(max(size or 20, 1), _LARGEST))


def page_response(
    request: web.Request, page: Page, found: Found[T], entity: Callable[[T], object]
) -> web.Response:
    """Respond with one page. Pages after the last one are empty."""
    headers = page_headers(request, page, total=found.total)
    return json_response([entity(item) for item in found.items], headers=headers)


def page_headers(request: web.Request, page: Page, *, total: int) -> dict[str, str]:
    """Return the headers that describe a page of ``total`` items and link to other pages."""
    pages = max(1, -(-total // page.size))
    others = {
        "prev": page.number - 1 if page.number > 1 else None,
        "next": page.number + 1 if page.number < pages else None,
        "first": 1,
        "last": pages,
    }
    return {
        "X-Page": str(page.number),
        "X-Per-Page": str(page.size),
        "X-Total": str(total),
        "X-Total-Pages": str(pages),
        "X-Next-Page": str(others["next"] or ""),
        "X-Prev-Page": str(others["prev"] or ""),
        "Link": ", ".join(
            f'<{link(request, page=number, per_page=page.size)}>; rel="{relation}"'
            for relation, number in others.items()
            if number
        ),
    }


def link(request: web.Request, **changes: int | str) -> URL:
    """Return the URL of the request with these parameters changed, and without tokens."""
    base = URL(external_url(request) + request.rel_url.raw_path, encoded=True)
    query = request.rel_url.without_query_params(*TOKEN_PARAMETERS).query
    return base.with_query(query).update_query(changes)
