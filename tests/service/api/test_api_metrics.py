from __future__ import annotations

import re

import pytest

from services.api.routes import ROUTES
from tests.support.api import ARCHIVE, Api
from tests.support.waiting import until


def _requests(api: Api) -> dict[tuple[str, str, str], float]:
    [family] = [each for each in api.registry.collect() if each.name == "crossdock_http_requests"]
    return {
        (each.labels["route"], each.labels["method"], each.labels["status"]): each.value
        for each in family.samples
        if each.name.endswith("_total")
    }


async def test_requests_are_counted_by_the_template_of_their_route_and_never_by_their_path(api: Api) -> None:
    ann = await api.user("ann")
    one, other = await api.project(ann, "one"), await api.project(ann, "other")

    for reference in (one.id, other.id, "ann%2Fone"):
        await api.get(f"/projects/{reference}", by="ann")
    await api.call("GET", f"//api//v4/projects/{one.id}/", by="ann")
    await api.get("/projects/77", by="ann")

    assert _requests(api) == {
        ("/api/v4/projects/:id", "GET", "200"): 4,
        ("/api/v4/projects/:id", "GET", "404"): 1,
    }


async def test_what_nobody_knows_is_one_route_and_one_method(api: Api) -> None:
    for number, method in enumerate(["PROPFIND", "LOCK", "REPORT"]):
        await api.call("GET", f"/-/nothing/{number}")
        await api.call(method, f"/-/nothing/{number}")

    assert _requests(api) == {("unknown", "GET", "404"): 3, ("unknown", "unknown", "404"): 3}


async def test_no_label_holds_a_regular_expression_or_the_slots_for_slashes(api: Api) -> None:
    plain = {"/", "/{id}/download_export", "/{project}"}
    for route in ROUTES:
        path = re.sub(r":\(\?!api/\|-/\)[^}]*(?=})", "", route.path).replace("{rest:(?:/.*)?}", "")
        assert "{_" in path or path in plain
    for asked in ("/", "/ann/p", "/ann/p/download_export", "/api/v3/projects"):
        await api.call("GET", asked, allow_redirects=False)

    routes = {route for route, _, _ in _requests(api)}
    assert routes == {"/", "/:project", "/:id/download_export", "/api/v3:rest"}


async def test_the_bytes_of_an_upload_and_of_a_download_are_counted(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.archive(project, ann)

    await api.post("/projects", by="ann", data=b"x" * 5000, headers={"Content-Type": "application/json"})
    answer = await api.get(f"/projects/{project.id}/export/download", by="ann")

    received = {"route": "/api/v4/projects", "method": "POST"}
    sent = {"route": "/api/v4/projects/:id/export/download", "method": "GET"}
    assert answer.body == ARCHIVE
    # A client has the last byte before the request is over.
    await until(lambda: api.registry.get_sample_value("crossdock_http_requests_at_work") == 0)
    assert api.registry.get_sample_value("crossdock_http_received_bytes_total", received) == 5000
    counted = api.registry.get_sample_value("crossdock_http_sent_bytes_total", sent)
    assert counted is not None
    assert len(ARCHIVE) <= counted < len(ARCHIVE) + 2000
    duration = "crossdock_http_request_duration_seconds_count"
    assert api.registry.get_sample_value(duration, sent) == 1


@pytest.mark.parametrize("api", [{"project_export_limit": 1}], indirect=True)
async def test_a_request_that_is_limited_is_counted_by_the_name_of_the_limit(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    statuses = [(await api.post(f"/projects/{project.id}/export", by="ann")).status for _ in range(3)]

    assert statuses == [202, 429, 429]
    limited = api.registry.get_sample_value("crossdock_rate_limited_total", {"limit": "project_export"})
    assert limited == 2
