"""Responses: JSON in GitLab's form, and the headers of all responses."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import token_hex

import msgspec
from aiohttp import web

from shared.gitlab import record_json
from shared.jobs.models import Job

_SAFE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

EXTERNAL_URL = web.AppKey("external_url", str)
"""The URL by which users reach the server, without a slash at its end."""

SECURITY_HEADERS = web.AppKey("security_headers", Mapping[str, str])
"""The headers of all answers, also of those to what is no request."""

CORRELATION_ID = web.RequestKey("correlation_id", str)
_STARTED = web.RequestKey("started", float)
CLIENT_GONE = 499
"""The status that proxies log if the client disconnects before the response."""

ERROR_CODE = web.RequestKey("error_code", str)
"""The code of the error in the response, for the log."""

IS_ASSET = web.RequestKey("is_asset", bool)
"""Whether the response is a file of a page: its line in the log is one of many, and says little."""

CONTENT_DIGEST = web.RequestKey("content_digest", bytes)
"""The digest of a form that was read as it arrived."""


def external_url(request: web.Request) -> str:
    """Return the URL by which users reach the server, without a slash at its end."""
    return request.app[EXTERNAL_URL]


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Respond with JSON. The media type has no charset, because one client compares it literally."""
    body = msgspec.json.encode(data)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def accepted_response(*, headers: Mapping[str, str] | None = None) -> web.Response:
    """Respond with 202: the request was accepted, and is being executed."""
    return json_response({"message": "202 Accepted"}, status=202, headers=headers)


def job_header(job: Job) -> dict[str, str]:
    """Return the header with the id of the requested job, for /api/crossdock/v1/jobs."""
    return {"X-Crossdock-Job": str(job.id)}


def timestamp(moment: datetime) -> str:
    """Format a time as GitLab does: UTC, with milliseconds."""
    return record_json.moment(moment)


def optional_timestamp(moment: datetime | None) -> str | None:
    """Format a time that may not have come yet; None where it has not."""
    return None if moment is None else timestamp(moment)


def is_safe_id(given: str) -> bool:
    """Return whether a client's correlation id is safe in logs and headers."""
    return _SAFE_ID.fullmatch(given) is not None


def begin_request(request: web.Request) -> str:
    """Record the begin of the request, and return its correlation id: the client's if it is safe."""
    given = request.headers.get("X-Request-Id", "")
    request[_STARTED] = time.perf_counter()
    request[CORRELATION_ID] = given if is_safe_id(given) else token_hex(16)
    return request[CORRELATION_ID]


def seconds_since_begin(request: web.Request) -> float:
    """Return the duration of the request so far."""
    return round(time.perf_counter() - request[_STARTED], 6)


def security_headers(*, hsts: timedelta) -> Mapping[str, str]:
    """Return the headers of all answers. Browsers use https alone for the time of ``hsts``; 0 is off."""
    headers = {"Server": "Crossdock", "X-Content-Type-Options": "nosniff"}
    if hsts:
        headers["Strict-Transport-Security"] = f"max-age={int(hsts.total_seconds())}"
    return headers


async def add_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers of all responses. Cache headers of a handler stay."""
    response.headers["X-Request-Id"] = request[CORRELATION_ID]
    response.headers["X-Runtime"] = f"{seconds_since_begin(request):.6f}"
    response.headers.update(request.app[SECURITY_HEADERS])
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers.setdefault("Vary", "Origin")
    response.headers.setdefault("Cache-Control", "max-age=0, private, must-revalidate")
