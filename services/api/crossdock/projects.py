"""Projects with what they have, for their maintainers."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from services.api.crossdock.cursors import LARGEST
from services.api.http.caller import find_caller
from services.api.http.pagination import link
from services.api.http.parameters import ParameterReader
from services.api.http.responses import json_response, optional_timestamp, timestamp
from services.api.use_cases import use_cases
from shared.gitlab.visibility import VISIBILITIES
from shared.statuses.overviews import (
    LastJob,
    OverviewOrder,
    OverviewPosition,
    OverviewQuery,
    ProjectOverview,
)

_ORDERS = {order.value: order for order in OverviewOrder}
_WORDS = {visibility: word for word, visibility in VISIBILITIES.items()}
_LARGEST_NUMBER = 2**63 - 1


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/projects."""
    query, namespace = _query(request)
    found = await use_cases(request).overviews.list(find_caller(request), query, namespace=namespace)
    shown = found[: query.limit - 1]
    headers = _next_header(request, shown) if len(found) > len(shown) else {}
    return json_response([_entity(each) for each in shown], headers=headers)


def _query(request: web.Request) -> tuple[OverviewQuery, str | None]:
    """Read the query, of one project more than the page has, and a namespace. Raises ParametersInvalid."""
    reader = ParameterReader(request.query)
    order = _ORDERS[reader.choice("order_by", _ORDERS) or OverviewOrder.LAST_ACTIVITY.value]
    sort = reader.choice("sort", ("asc", "desc")) or ("asc" if order is OverviewOrder.PATH else "desc")
    search, namespace = reader.text("search"), reader.text("namespace")
    size = reader.integer("per_page", default=20) or 0
    if not reader.problems and not 1 <= size <= LARGEST:
        reader.problem("per_page", f"must be between 1 and {LARGEST}")
    after = _position(reader, order)
    reader.finish()
    return (
        OverviewQuery(search=search, order=order, ascending=sort == "asc", after=after, limit=size + 1),
        namespace,
    )


def _position(reader: ParameterReader, order: OverviewOrder) -> OverviewPosition | None:
    """Read where the page begins; its key is a text where the list is sorted by path."""
    given = reader.text("cursor")
    if not given:
        return None
    try:
        decoded = urlsafe_b64decode(f"{given}{'=' * (-len(given) % 4)}")
        key, number = msgspec.json.decode(decoded, type=tuple[str | int, int])
    except (binascii.Error, msgspec.DecodeError, ValueError):
        reader.problem("cursor", "is invalid")
        return None
    if isinstance(key, str) is not (order is OverviewOrder.PATH) or not _is_storable(key, number):
        reader.problem("cursor", "is invalid")
        return None
    return OverviewPosition(key, number)


def _is_storable(key: str | int, number: int) -> bool:
    if isinstance(key, str):
        return "\0" not in key and abs(number) <= _LARGEST_NUMBER
    return abs(key) <= _LARGEST_NUMBER and abs(number) <= _LARGEST_NUMBER


def _next_header(request: web.Request, shown: Sequence[ProjectOverview]) -> dict[str, str]:
    """Return the header that links to the projects behind these (RFC 8288)."""
    last = shown[-1].position
    cursor = urlsafe_b64encode(msgspec.json.encode((last.key, last.id))).decode().rstrip("=")
    return {"Link": f'<{link(request, cursor=cursor)}>; rel="next"'}


def _entity(found: ProjectOverview) -> Mapping[str, object]:
    download = f"/api/v4/projects/{found.position.id}/export/download"
    return {
        "id": found.position.id,
        "path_with_namespace": found.full_path,
        "name": found.name,
        "visibility": _WORDS[found.visibility],
        "archived": found.archived,
        "empty": found.is_empty,
        "access_level": found.level,
        "created_at": timestamp(found.created_at),
        "last_activity_at": timestamp(found.last_activity_at),
        "size_bytes": found.size,
        "archive_bytes": found.archive_size,
        "entries_count": found.entries,
        "relations": found.relations,
        "snapshots_count": found.snapshots,
        "last_import": _job(found.last_import),
        "last_export": _job(found.last_export),
        "download_url": download if found.has_archive else None,
    }


def _job(job: LastJob | None) -> Mapping[str, object] | None:
    if job is None:
        return None
    return {
        "id": job.id,
        "state": job.state.value,
        "created_at": timestamp(job.created_at),
        "finished_at": optional_timestamp(job.finished_at),
        "username": job.username,
    }
