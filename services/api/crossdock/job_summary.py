"""How many jobs wait, run and have ended, for maintainers of their projects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiohttp import web

from services.api.http.caller import find_caller
from services.api.http.parameters import ParameterReader
from services.api.http.responses import json_response, optional_timestamp, timestamp
from services.api.use_cases import use_cases
from shared.jobs.summaries import JobSummary

_LONGEST = timedelta(days=31)
_DEFAULT = timedelta(days=1)


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/jobs/summary."""
    since = _since(request)
    summary = await use_cases(request).jobs.summarise(find_caller(request), since=since)
    return json_response(_entity(summary, since))


def _since(request: web.Request) -> datetime:
    """Read the moment from which on ended jobs count. Raises ParametersInvalid."""
    reader, now = ParameterReader(request.query), datetime.now(UTC)
    since = reader.moment("since") or now - _DEFAULT
    if since < now - _LONGEST:
        reader.problem("since", f"must not be more than {_LONGEST.days} days ago")
    reader.finish()
    return since


def _entity(summary: JobSummary, since: datetime) -> dict[str, object]:
    oldest = summary.oldest_waiting_since
    return {
        "since": timestamp(since),
        "waiting": summary.waiting,
        "running": summary.running,
        "places": summary.places,
        "oldest_waiting_since": optional_timestamp(oldest),
        "finished": summary.finished,
        "failed": summary.failed,
        "canceled": summary.canceled,
        "bytes": summary.bytes,
        "partial": summary.is_partial,
    }
