from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from shared.accounts.models import User
from shared.accounts.tokens import create_token, revoke_token
from shared.projects.models import Project
from tests.support.api import Api


async def test_an_unknown_route_is_not_found(api: Api) -> None:
    answer = await api.get("/nonsense")

    assert (answer.status, answer.body) == (404, {"error": "404 Not Found"})


async def test_another_method_is_not_allowed(api: Api, project: Project) -> None:
    answer = await api.call("DELETE", f"/api/v4/projects/{project.id}/export", by="ann")

    assert (answer.status, answer.body) == (405, {"error": "405 Not Allowed"})
    assert answer.headers["Allow"] == "GET,HEAD,POST"


@pytest.mark.parametrize("path", ["/api/v3", "/api/v3/projects/1/export"])
async def test_version_3_is_gone(api: Api, path: str) -> None:
    answer = await api.call("POST", path)

    text = "API V3 is no longer supported. Use API V4 instead."
    assert (answer.status, answer.body) == (410, {"error": text})


async def test_a_run_of_slashes_is_one(api: Api, project: Project) -> None:
    answer = await api.call("GET", f"//api/v4//projects///{project.id}//export", by="ann")

    assert (answer.status, answer.body["id"]) == (200, project.id)


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("path", ["/user", "/nonsense", "/projects/999"])
async def test_every_answer_is_plain_json_with_the_common_headers(api: Api, path: str) -> None:
    answer = await api.get(path, by="ann")

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert answer.headers["Cache-Control"] == "max-age=0, private, must-revalidate"
    assert float(answer.headers["X-Runtime"]) >= 0
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


@pytest.mark.parametrize(("given", "kept"), [("a.B:c-1_2", True), ("a b", False), ("x" * 129, False)])
async def test_the_callers_request_id_is_kept_where_it_is_harmless(
    api: Api, given: str, *, kept: bool
) -> None:
    answer = await api.get("/nonsense", headers={"X-Request-Id": given})

    assert (answer.headers["X-Request-Id"] == given) is kept


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    "carrier",
    [
        lambda token: {"headers": {"PRIVATE-TOKEN": token}},
        lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
        lambda token: {"params": {"private_token": token}},
        lambda token: {"params": {"access_token": token}},
    ],
)
async def test_a_token_comes_in_a_header_or_in_the_query(api: Api, carrier: Any) -> None:
    answer = await api.get("/user", **carrier(api.tokens["ann"]))

    assert (answer.status, answer.body["username"]) == (200, "ann")


@pytest.mark.parametrize("encoding", ["json", "data"])
async def test_a_token_comes_in_a_body(api: Api, project: Project, encoding: str) -> None:
    body: dict[str, Any] = {encoding: {"private_token": api.tokens["ann"]}}

    answer = await api.post(f"/projects/{project.id}/export", **body)

    assert answer.status == 202


@pytest.mark.parametrize("headers", [{}, {"PRIVATE-TOKEN": "glpat-unknown"}, {"Authorization": "Basic eDp5"}])
async def test_nobody_is_unauthorized(api: Api, headers: dict[str, str]) -> None:
    answer = await api.get("/user", headers=headers)

    assert (answer.status, answer.body) == (401, {"message": "401 Unauthorized"})


async def test_an_expired_token_says_so(api: Api, ann: User) -> None:
    expired = datetime.now(UTC) - timedelta(seconds=1)
    api.tokens["ann"] = await create_token(api.pool, ann.id, name="old", expires_at=expired)

    answer = await api.get("/user", by="ann")

    assert (answer.status, answer.body) == (
        401,
        {
            "error": "invalid_token",
            "error_description": "Token is expired. You can either do re-authorization or token refresh.",
        },
    )
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.usefixtures("ann")
async def test_a_revoked_token_says_so(api: Api) -> None:
    assert await revoke_token(api.pool, api.tokens["ann"])

    answer = await api.get("/user", by="ann")

    assert (answer.status, answer.body) == (
        401,
        {
            "error": "invalid_token",
            "error_description": "Token was revoked. You have to re-authorize from the user.",
        },
    )


@pytest.mark.usefixtures("ann")
async def test_a_token_is_kept_as_its_digest_only(api: Api) -> None:
    rows = await api.pool.fetch("SELECT t::text AS row FROM tokens t")

    assert rows
    assert not [row for row in rows if api.tokens["ann"] in row["row"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": b"{broken", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b"<x/>", "headers": {"Content-Type": "text/xml"}}, 415),
        ({"data": b" " * (1024 * 1024 + 1), "headers": {"Content-Type": "application/json"}}, 413),
        ({"json": {"description": {"no": "text"}}}, 400),
        ({"json": {"description": "a\0b"}}, 400),
        ({"json": {"upload": "text"}}, 400),
    ],
)
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_body_that_cannot_be_read_is_the_clients_fault(
    api: Api, project: Project, body: dict[str, Any], status: int
) -> None:
    assert (await api.post(f"/projects/{project.id}/export", by="ann", **body)).status == status


@pytest.mark.usefixtures("ann")
async def test_an_unexpected_error_is_answered_and_logged_with_the_correlation_id(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("shared.usecases.token_lookup.find_by_token", broken)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await api.get("/user", by="ann", headers={"X-Request-Id": "cid-9"})

    assert (answer.status, answer.body) == (500, {"message": "500 Internal Server Error"})
    assert [log["correlation_id"] for log in logs if log["event"] == "unhandled_error"] == ["cid-9"]


@pytest.mark.usefixtures("ann")
async def test_a_request_is_logged_without_its_token(api: Api) -> None:
    with structlog.testing.capture_logs() as logs:
        await api.get("/user", params={"private_token": api.tokens["ann"]})

    (line,) = [log for log in logs if log["event"] == "request"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v4/user", 200)
    assert api.tokens["ann"] not in str(logs)


async def test_an_id_longer_than_any_is_not_found(api: Api, ann: User) -> None:
    for path in ("/projects/99999999999999999999/export", "/namespaces/99999999999999999999"):
        assert (await api.get(path, by=ann.username)).status == 404
