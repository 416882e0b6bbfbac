"""Retries of many jobs that failed, for administrators."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from services.api.crossdock.jobs import KINDS
from services.api.gitlab.job_origin import origin_of
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.parameters import ParameterReader
from services.api.http.responses import json_response
from services.api.use_cases import use_cases
from shared.jobs.models import JobState
from shared.usecases.bulk_retries import MOST, BulkRetry
from shared.usecases.jobs import JobFilter


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/jobs/retry: retries what matches, and answers what became of it."""
    given = await parameters(request)
    wanted, reader = _filter(given), ParameterReader(given)
    before, limit = reader.integer("before"), reader.integer("limit", default=MOST) or 0
    dry_run = reader.boolean("dry_run", default=False)
    if not reader.problems and not 1 <= limit <= MOST:
        reader.problem("limit", f"must be between 1 and {MOST}")
    reader.finish()
    done = await use_cases(request).bulk_retries.retry(
        find_caller(request), wanted, before=before, limit=limit, dry_run=bool(dry_run),
        origin=origin_of(request),
    )  # fmt: skip
    return json_response(_entity(done))


def _filter(given: Mapping[str, object]) -> JobFilter:
    """Read which of the failed jobs are wanted. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    kind, code = reader.choice("kind", KINDS), reader.text("code")
    project, user = reader.text("project"), reader.text("user")
    after, until = reader.moment("finished_after"), reader.moment("finished_before")
    reader.finish()
    return JobFilter(
        kinds=KINDS[kind] if kind else None,
        states=[JobState.FAILED],
        code=code,
        not_replaced=True,
        project=project,
        user=user,
        finished_after=after,
        finished_before=until,
    )


def _entity(done: BulkRetry) -> dict[str, object]:
    return {
        "matched": done.matched,
        "retried": [{"id": each.job_id, "job_id": each.new_id} for each in done.retried],
        "refused": [
            {"id": each.job_id, "code": each.refusal.code, "error": str(each.refusal)}
            for each in done.refused
        ],
        "next_before": done.next_before,
    }
