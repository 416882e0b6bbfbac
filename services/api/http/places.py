"""The places of the api, of each kind of scarce thing, and who holds them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import timedelta

from aiohttp import web

from services.api.http.caller import find_token
from services.api.http.client import client_address
from shared.admission import Holder, PlaceRules, Places

_LOOKUPS_WAITING = 1000
"""The look-ups of tokens that wait at once, of which strangers have half."""

_LOOKUP_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceNumbers:
    """How many places of each kind there are, and the rules that all kinds have in common.

    ``connections_each`` may read the same file for the same user at once. ``streams_each`` is the share of a
    user of the event streams.
    """

    rules: PlaceRules = field(default_factory=PlaceRules)
    uploads: int = 32
    downloads: int = 32
    connections_each: int = 4
    streams: int = 200
    streams_each: int = 20
    passes: int = 2
    lookups: int = 2
    documents: int = 2
    tokens: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPlaces:
    """The places of each kind.

    ``uploads`` are requests that send content: each may hold one part of an S3 upload in memory.
    ``downloads`` are files that are sent: each keeps a connection to the storage. ``ranges`` are the
    connections beyond the first that read the same file. ``streams`` are event streams, for which nobody
    waits. ``passes`` go through all records of a relation, ``lookups`` through records up to a single one:
    each takes a core. ``documents`` are held in memory as a whole. ``tokens`` are look-ups of tokens: each
    keeps a connection to the database for a moment, so that many may wait.
    """

    uploads: Places
    downloads: Places
    ranges: Places
    streams: Places
    passes: Places
    lookups: Places
    documents: Places
    tokens: Places

    def all(self) -> list[Places]:
        """Return the places of every kind."""
        return [getattr(self, each.name) for each in fields(self)]


PLACES = web.AppKey("places", ApiPlaces)


def make_places(numbers: PlaceNumbers) -> ApiPlaces:
    """Make the places, all of them free."""
    limits = numbers.rules.limits
    tokens = replace(
        limits("token_lookups", numbers.tokens),
        waiting=_LOOKUPS_WAITING,
        waiting_each=_LOOKUPS_WAITING,
        patience=_LOOKUP_PATIENCE,
    )
    streams = replace(
        limits("event_streams", numbers.streams), share=numbers.streams_each, patience=timedelta(0)
    )
    return ApiPlaces(
        uploads=Places(limits("uploads", numbers.uploads)),
        downloads=Places(limits("downloads", numbers.downloads)),
        ranges=Places(limits("download_connections", max(1, numbers.downloads // 2))),
        streams=Places(streams),
        passes=Places(limits("record_passes", numbers.passes)),
        lookups=Places(limits("record_lookups", numbers.lookups)),
        documents=Places(limits("documents", numbers.documents)),
        tokens=Places(tokens),
    )


def holder_of(request: web.Request) -> Holder:
    """Return who holds the places of a request: the user of the token, otherwise the client's address.

    An administrator who acts for another user by ``sudo`` holds them.
    """
    token = find_token(request)
    return Holder.of_address(client_address(request)) if token is None else Holder.of_user(token.user.id)
