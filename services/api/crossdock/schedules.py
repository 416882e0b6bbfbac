"""Schedules: when which projects are backed up where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from aiohttp import web

from services.api.crossdock import schedule_fields
from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.parameters import integer
from services.api.http.responses import external_url, json_response, timestamp
from services.api.use_cases import use_cases
from shared.schedules.models import Schedule


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/schedules, the oldest first; administrators see those of all users."""
    cut = cursor_page_of(request)
    found = await use_cases(request).schedules.list(
        find_caller(request), behind=cut.behind, limit=cut.size + 1
    )
    shown, headers = split_page(request, cut, found, number=lambda each: each.id)
    return json_response([_entity(request, each) for each in shown], headers=headers)


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/schedules."""
    caller = find_caller(request)
    fields = schedule_fields.read(await parameters(request), is_new=True)
    made = await use_cases(request).schedules.create(caller, fields)
    location = {"Location": f"{external_url(request)}{request.path}/{made.id}"}
    return json_response(_entity(request, made), status=201, headers=location)


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/schedules/:schedule_id."""
    return json_response(_entity(request, await find_schedule(request)))


async def update(request: web.Request) -> web.Response:
    """PUT /api/crossdock/v1/schedules/:schedule_id: changes the given fields."""
    schedule = await find_schedule(request)
    fields = schedule_fields.read(await parameters(request), is_new=False)
    changed = await use_cases(request).schedules.change(schedule, fields)
    return json_response(_entity(request, changed))


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/crossdock/v1/schedules/:schedule_id, with its runs: what it has sent stays."""
    await use_cases(request).schedules.delete(await find_schedule(request))
    return web.Response(status=204)


async def pause(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/schedules/:schedule_id/pause: a run that is under way goes on."""
    paused = await use_cases(request).schedules.pause(await find_schedule(request))
    return json_response(_entity(request, paused))


async def resume(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/schedules/:schedule_id/resume: what was missed is not caught up."""
    resumed = await use_cases(request).schedules.resume(await find_schedule(request))
    return json_response(_entity(request, resumed))


async def find_schedule(request: web.Request) -> Schedule:
    """Return the schedule of the address. Raises NotFound."""
    number = integer(request.match_info["schedule_id"]) or 0
    return await use_cases(request).schedules.show(find_caller(request), number)


def _entity(request: web.Request, schedule: Schedule) -> dict[str, object]:
    order, selection = schedule.order, schedule.order.selection
    ahead = use_cases(request).schedules.next_runs(schedule)
    return {
        "id": schedule.id,
        "user_id": schedule.user_id,
        "name": order.name,
        "destination_id": order.destination_id if order.into is None else None,
        "source_id": None if order.into is None else order.destination_id,
        "into": order.into,
        "cron": order.timetable.cron,
        "time_zone": order.timetable.time_zone,
        "projects": list(selection.projects),
        "group": selection.group,
        "patterns": list(selection.patterns),
        "all": not selection.projects and selection.group is None,
        "relations": _listed(order.relations.relations if order.relations else None),
        "excluded_relations": _listed(order.relations.excluded_relations if order.relations else None),
        "retention": asdict(order.retention),
        "paused": schedule.next_run_at is None,
        "next_run_at": timestamp(schedule.next_run_at) if schedule.next_run_at else None,
        "next_runs": [timestamp(each) for each in ahead],
        "created_at": timestamp(schedule.created_at),
        "updated_at": timestamp(schedule.updated_at),
    }


def _listed(names: Sequence[str] | None) -> list[str] | None:
    """Give names; None for none, which an order does not tell from an empty list."""
    return list(names) if names else None
