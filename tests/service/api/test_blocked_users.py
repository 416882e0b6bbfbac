"""Administrators shut a user out: a leaver, or an account that was stolen."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest

from services.api.crossdock import event_stream
from shared.accounts.models import User
from shared.usecases import credential_watch, events
from tests.support.api import EXTERNAL_URL, Api

BLOCKED = "403 Forbidden - Your account has been blocked."
SESSION = "/api/crossdock/v1/session"
OWN_PAGE = {"Origin": EXTERNAL_URL, "X-Crossdock-Console": "1"}


@pytest.fixture
async def bob(api: Api) -> User:
    await api.user("root", is_admin=True)
    return await api.user("bob")


async def _change(api: Api, move: str, user: User, *, by: str | None = "root") -> tuple[int, Any]:
    answer = await api.call("POST", f"/api/v4/users/{user.id}/{move}", by=by)
    return answer.status, answer.body


async def _signed_in(api: Api, token: str) -> dict[str, str]:
    answer = await api.call("POST", SESSION, json={"token": token}, headers=OWN_PAGE)
    assert answer.status == 201
    (morsel,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return {"Cookie": f"{morsel.key}={morsel.value}"}


async def test_the_token_of_a_blocked_user_is_refused_until_the_user_is_unblocked(
    api: Api, bob: User
) -> None:
    assert await _change(api, "block", bob) == (201, True)
    assert await _change(api, "block", bob) == (201, None)
    refused = await api.get("/user", by="bob")
    assert (refused.status, refused.body) == (403, {"message": BLOCKED})
    own = await api.call("GET", "/api/crossdock/v1/jobs", by="bob")
    assert (own.status, json.loads(own.body)["code"]) == (403, "user_blocked")
    assert await _change(api, "unblock", bob) == (201, True)
    assert await _change(api, "unblock", bob) == (201, False)
    assert (await api.get("/user", by="bob")).status == 200


async def test_a_token_that_is_over_is_refused_for_that(api: Api, bob: User) -> None:
    await _change(api, "block", bob)
    await api.pool.execute("UPDATE tokens SET revoked_at = now() WHERE user_id = $1", bob.id)
    assert (await api.get("/user", by="bob")).status == 401


async def test_the_sessions_of_a_blocked_user_end_for_good(api: Api, bob: User) -> None:
    headers = await _signed_in(api, api.tokens["bob"])
    await _change(api, "block", bob)
    for move in ("block", "unblock"):
        await _change(api, move, bob)
        assert (await api.get("/user", headers=headers)).status == 401
        assert (await api.call("GET", SESSION, headers=headers)).body["user"] is None


async def test_a_session_that_began_at_the_same_moment_does_not_count(api: Api, bob: User) -> None:
    headers = await _signed_in(api, api.tokens["bob"])
    await api.pool.execute("UPDATE users SET blocked = true WHERE id = $1", bob.id)
    assert (await api.get("/user", headers=headers)).status == 401
    assert (await api.call("GET", SESSION, headers=headers)).body["user"] is None


async def test_who_is_blocked_is_told_at_the_sign_in(api: Api, bob: User) -> None:
    await _change(api, "block", bob)
    token = api.tokens["bob"]
    answer = await api.call("POST", SESSION, json={"token": token}, headers=OWN_PAGE)
    problem = json.loads(answer.body)
    assert (answer.status, problem["code"], problem["detail"]) == (
        403, "user_blocked", "Your account has been blocked.",
    )  # fmt: skip
    page = await api.call("POST", "/users/sign_in", data={"token": token}, headers={"Origin": EXTERNAL_URL})
    assert page.status == 403
    assert b"Your account has been blocked." in page.body
    assert await api.pool.fetchval("SELECT count(*) FROM web_sessions") == 0


async def test_a_stream_of_a_blocked_user_ends(api: Api, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "_HEARTBEAT", timedelta(0))
    monkeypatch.setattr(events, "EVERY", timedelta(seconds=0.01))
    monkeypatch.setattr(credential_watch, "LASTS", timedelta(0))
    address, token = f"{str(api.url).rstrip('/')}/api/crossdock/v1/events", api.tokens["bob"]
    async with api.session.get(address, headers={"PRIVATE-TOKEN": token}) as stream, asyncio.timeout(20):
        await _change(api, "block", bob)
        await stream.content.read()


async def test_jobs_of_a_blocked_user_go_on(api: Api, bob: User) -> None:
    job = await api.job(await api.project(bob), bob)
    await _change(api, "block", bob)
    await api.finished(job)
    assert await api.pool.fetchval("SELECT state FROM jobs") == "finished"


async def test_who_is_blocked_is_shown_as_that_and_listed(api: Api, bob: User) -> None:
    await api.user("ann")
    await _change(api, "block", bob)
    for by in ("root", "ann"):
        assert (await api.get(f"/users/{bob.id}", by=by)).body["state"] == "blocked"
    for query, names in {
        "": {"root", "ann", "bob"}, "?blocked=true": {"bob"}, "?active=true": {"root", "ann"},
    }.items():  # fmt: skip
        assert {each["username"] for each in (await api.get(f"/users{query}", by="root")).body} == names


async def test_only_administrators_block_and_nobody_blocks_oneself(api: Api, bob: User) -> None:
    root = (await api.get("/user", by="root")).body["id"]
    for move in ("block", "unblock"):
        assert await _change(api, move, bob, by="bob") == (403, {"message": "403 Forbidden"})
        assert (await _change(api, move, bob, by=None))[0] == 401
        missing = await api.call("POST", f"/api/v4/users/999/{move}", by="root")
        assert (missing.status, missing.body) == (404, {"message": "404 User Not Found"})
    oneself = await api.call("POST", f"/api/v4/users/{root}/block", by="root")
    message = "403 Forbidden - The API initiating user cannot be blocked by the API"
    assert (oneself.status, oneself.body) == (403, {"message": message})
