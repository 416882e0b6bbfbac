"""Refuses query parameters that a route of our own API does not know; GitLab passes over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from aiohttp import web
from aiohttp.abc import AbstractMatchInfo
from aiohttp.typedefs import Handler
from aiohttp.web_urldispatcher import AbstractRoute

from services.api.http.errors import ParametersInvalid
from services.api.http.parameters import TOKEN_PARAMETERS

QUERY_NAMES = web.AppKey("query_names", Mapping[AbstractRoute, Collection[str]])
"""The parameters of the query, by route. A route that is missing takes any."""

_OF_ALL = frozenset({*TOKEN_PARAMETERS, "sudo"})
_LONGEST = 100
"""The number of characters of an unknown name that an answer repeats."""


@web.middleware
async def refuse_unknown_parameters(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raise ParametersInvalid for parameters of the query that the route does not know."""
    match: AbstractMatchInfo = request.match_info
    known = None if match.http_exception else request.app[QUERY_NAMES].get(request.match_info.route)
    if known is not None and request.query:
        _refuse_others(request, known)
    return await handler(request)


def _refuse_others(request: web.Request, known: Collection[str]) -> None:
    given = dict.fromkeys(name.partition("[")[0] for name in request.query)
    unknown = [name for name in given if name not in known and name not in _OF_ALL]
    if unknown:
        raise ParametersInvalid(*(_problem(name, known) for name in unknown[:10]))


def _problem(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name[:_LONGEST], sorted(known), n=1)
    return f"{name[:_LONGEST]} is unknown" + (f" (did you mean {near[0]}?)" if near else "")
