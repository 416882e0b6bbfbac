from __future__ import annotations

import pytest
from aiohttp import web

from services.cli.client import connect
from services.cli.errors import CommandError, RefusedByServer, ServerAbsent, ServerUnreachable, UsageError
from services.cli.http import api_url, retry_if_limited, retry_if_transient
from services.cli.retries import ATTEMPTS
from tests.support.gitlab_stub import Answer, Script, answer, imported, problem
from tests.support.ports import free_ports


@pytest.mark.parametrize(
    ("base", "api"),
    [
        ("http://localhost:8080", "http://localhost:8080/api/v4"),
        ("https://example.org/gitlab/", "https://example.org/gitlab/api/v4"),
        ("https://example.org/api/v4/", "https://example.org/api/v4"),
        ("http://[::1]:8080\n", "http://[::1]:8080/api/v4"),
    ],
)
def test_the_api_lies_below_the_base(base: str, api: str) -> None:
    assert api_url(base) == api


@pytest.mark.parametrize(
    "base",
    [
        "", "localhost:8080", "ftp://example.org", "http:///", "http://?x", "http://#x", "http://:80",
        "http://host:port", "http://host:65536", "http://host:-1", "http://[::1", "http://a..b",
        f"http://{'a' * 64}.org", "http://host/?query", "http://host/#fragment", "http://user:word@host",
        "http://host/a\nb", "http://\udcff",
    ],
)  # fmt: skip
def test_what_is_no_url_is_a_usage_error(base: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        api_url(base)


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        api_url("http://user:word@host")
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (problem("job_ended", 409), "job_ended"),
        (problem(None, 409), "server_refused"),
        (problem(5, 409), "server_refused"),
        (answer({"message": "409 Conflict", "code": "job_ended"}, 409), "server_refused"),
        (answer([], 409), "server_refused"),
    ],
)
async def test_the_code_of_a_refusal_is_that_of_the_problem_document(refusal: Answer, code: str) -> None:
    async with Script(refusal).client() as client:
        with pytest.raises(RefusedByServer) as refused:
            await client.import_status(1)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"message": "404 Project Not Found"}, "404 Project Not Found"),
        ({"error": "path is missing"}, "path is missing"),
        ({"error": "invalid_token", "error_description": "Token was revoked."}, "Token was revoked."),
        ({"message": {"error": "Try again later."}}, "Try again later."),
        ({"message": {"url": ["is blocked"]}}, "url is blocked"),
        ([], "Bad Request"),
    ],
)
async def test_a_refusal_says_what_gitlab_says(body: object, sentence: str) -> None:
    async with Script(answer(body, 400)).client() as client:
        with pytest.raises(RefusedByServer, match=rf": {sentence} \(HTTP 400\)"):
            await client.import_status(1)


def test_a_limited_request_waits_as_long_as_the_server_says() -> None:
    assert retry_if_limited(RefusedByServer(429, "", retry_after=60)) == 60


def test_a_limited_request_without_a_time_waits_for_the_next_minute() -> None:
    assert retry_if_limited(RefusedByServer(429, "")) == 60


def test_nobody_waits_for_an_hour() -> None:
    assert retry_if_limited(RefusedByServer(429, "", retry_after=3600)) is False


def test_a_refusal_is_final() -> None:
    assert retry_if_transient(RefusedByServer(404, "")) is False


def test_what_may_have_been_done_is_not_asked_for_again() -> None:
    assert retry_if_limited(ServerUnreachable("")) is False


async def test_a_question_is_asked_again_after_errors_of_the_server() -> None:
    script = Script(answer(status=502), answer(status=429, Retry_After="0"), imported("finished"))
    async with script.client() as client:
        assert (await client.import_status(7)).import_status == "finished"


async def test_a_question_is_not_asked_for_ever() -> None:
    script = Script(*[answer(status=503)] * (ATTEMPTS + 1))
    async with script.client() as client:
        with pytest.raises(ServerUnreachable, match="503"):
            await client.import_status(7)
    assert len(script.asked) == ATTEMPTS


@pytest.mark.parametrize("body", [[], {"id": 7}, "text", {"id": 7, "path_with_namespace": 5}])
async def test_an_answer_of_something_else_than_gitlab_is_told_and_not_asked_for_again(body: object) -> None:
    script = Script(answer(body), imported("finished"))
    async with script.client() as client:
        with pytest.raises(ServerUnreachable, match="no answer of this API"):
            await client.import_status(7)
    assert len(script.asked) == 1


@pytest.mark.parametrize("body", [b'{"path_with_namespace":"\xff"}', b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 400])
async def test_bytes_that_are_no_json_are_one_error(body: bytes, status: int) -> None:
    async def garbage(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    async with Script(garbage).client() as client:
        with pytest.raises(CommandError, match=r"^[^\n]+$"):
            await client.import_status(7)


async def test_the_token_does_not_follow_a_redirect_to_another_host() -> None:
    elsewhere = Script(imported("finished"))
    async with elsewhere.server() as url:
        redirect = answer(status=302, Location=f"{url}/stored")
        script = Script(redirect)
        async with script.client() as client:
            await client.import_status(7)
    assert "Authorization" in script.asked[0].headers
    assert "Authorization" not in elsewhere.asked[0].headers


async def test_a_server_that_has_never_answered_is_not_tried_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (port,) = free_ports(1)
    async with connect(f"http://127.0.0.1:{port}", "t") as client:
        with pytest.raises(ServerUnreachable) as early:
            await client.import_status("a")
        assert early.value.retryable
        monkeypatch.setattr(client.session, "_begun", client.session._begun - 5)
        with pytest.raises(ServerAbsent) as late:
            await client.import_status("a")
    assert not late.value.retryable


async def test_a_server_that_has_answered_once_is_tried_for_as_long_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(imported("finished"))
    async with script.server() as url, connect(url, "t") as client:
        await client.import_status("a")
        monkeypatch.setattr(client.session, "_begun", client.session._begun - 60)
        assert not client.session.is_absent


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("url is blocked: Only allowed schemes are https", "CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS"),
        (
            "url is blocked: Requests to localhost are not allowed",
            "the setting outbound_local_requests_allowlist",
        ),
    ],
)
async def test_an_address_that_is_blocked_is_told_with_the_setting_that_allows_it(
    message: str, hint: str
) -> None:
    async with Script(answer({"message": message}, 400)).client() as client:
        with pytest.raises(RefusedByServer, match=rf"{message}: .+{hint} \(HTTP 400\)$"):
            await client.import_status("group/one")
