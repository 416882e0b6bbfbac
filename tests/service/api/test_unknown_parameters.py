from __future__ import annotations

import json

import pytest

from services.api.middleware.unknown_parameters import QUERY_NAMES
from services.api.routes import ROUTES
from tests.support.api import Api

OWN = "/api/crossdock/v1"


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("/jobs?stat=failed", "stat is unknown (did you mean state?)"),
        ("/jobs?zzz", "zzz is unknown"),
        ("/jobs?zzz=1&zzz=2&Kind=export", "zzz is unknown, Kind is unknown (did you mean kind?)"),
        ("/limits?per_page=3", "per_page is unknown"),
        ("/jobs/7/failures?state[]=failed", "state is unknown"),
    ],
)
async def test_our_own_api_refuses_a_parameter_that_it_does_not_know(
    api: Api, query: str, detail: str
) -> None:
    answer = await api.call("GET", f"{OWN}{query}", by="ann")

    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    told = json.loads(answer.body)
    assert (told["code"], told["detail"]) == ("parameters_invalid", detail)


async def test_a_long_name_is_not_repeated_whole(api: Api) -> None:
    await api.user("eve")
    answer = await api.call("GET", f"{OWN}/jobs?{'x' * 3000}=1", by="eve")
    assert json.loads(answer.body)["detail"] == f"{'x' * 100} is unknown"


async def test_gitlabs_api_passes_over_unknown_parameters(api: Api) -> None:
    await api.user("ann")
    assert (await api.get("/projects?zzz=1", by="ann")).status == 200


async def test_every_route_of_our_own_api_knows_the_token_and_who_to_act_as(api: Api) -> None:
    await api.user("ann")
    token = api.tokens["ann"]
    assert (await api.call("GET", f"{OWN}/jobs?private_token={token}")).status == 200
    refused = await api.call("GET", f"{OWN}/jobs?access_token={token}&sudo=bob")
    assert refused.status == 403


async def test_a_parameter_of_a_body_may_come_in_the_query(api: Api) -> None:
    await api.user("root", is_admin=True)
    answer = await api.call("POST", f"{OWN}/jobs/retry?kind=export&dry_run=true", by="root")
    assert (answer.status, answer.body["matched"]) == (200, [])
    unknown = await api.call("POST", f"{OWN}/jobs/retry?kin=export", by="root")
    assert json.loads(unknown.body)["detail"] == "kin is unknown (did you mean kind?)"


async def test_every_route_of_our_own_api_says_what_it_knows(api: Api) -> None:
    own = [route for route in ROUTES if route.address.startswith(OWN)]
    heads = sum(route.method == "GET" for route in own)
    assert len(api.app[QUERY_NAMES]) == len(own) + heads
