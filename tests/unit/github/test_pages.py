from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from shared.github.errors import RateLimited, ScopeMissing
from shared.github.pages import Endpoint, Quota, check_quota, check_status, page_of, quota_of
from shared.remote.document import RemoteDocument

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
ENDPOINT = Endpoint(URL("https://api.github.com"), "/repos/o/r/issues")


def answer(status: int, body: bytes = b"{}", **headers: str) -> RemoteDocument:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return RemoteDocument(status, CIMultiDictProxy(named), body)


def limited(remaining: int, reset: datetime) -> dict[str, str]:
    left = {"X_RateLimit_Limit": "5000", "X_RateLimit_Remaining": str(remaining)}
    return left | {"X_RateLimit_Reset": str(int(reset.timestamp()))}


def until(told: RemoteDocument) -> datetime:
    with pytest.raises(RateLimited) as caught:
        check_status(told, ENDPOINT, token="secret", now=NOW)
    return caught.value.until


@pytest.mark.parametrize(
    ("told", "etag"),
    [
        ('W/"a1b2"', 'W/"a1b2"'),
        ('"a1b2"', '"a1b2"'),
        ("a1b2", None),
        ('"\udc80"', None),
        ('"a b"', None),
        (f'"{"x" * 201}"', None),
        ("", None),
    ],
)
def test_a_tag_is_one_that_can_be_kept_and_sent_back(told: str, etag: str | None) -> None:
    assert page_of(answer(200, b"[]", ETag=told), ENDPOINT).etag == etag


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_RateLimit_Limit": "5000", "X_RateLimit_Remaining": "1"},
        {"X_RateLimit_Limit": "x", "X_RateLimit_Remaining": "-1", "X_RateLimit_Reset": "1e9"},
    ],
)
def test_a_limit_that_is_not_told_is_none(headers: dict[str, str]) -> None:
    assert quota_of(answer(200, b"", **headers).headers) is None


@pytest.mark.parametrize(
    ("limit", "remaining", "is_used_up"),
    [(5000, 51, False), (5000, 50, True), (60, 31, False), (60, 30, True), (0, 0, True)],
)
def test_50_requests_are_kept_or_half_of_a_smaller_limit(
    limit: int, remaining: int, *, is_used_up: bool
) -> None:
    assert Quota(limit, remaining, NOW).is_used_up is is_used_up


def test_a_limit_that_is_used_up_holds_until_five_seconds_after_its_reset() -> None:
    quota = Quota(5000, 50, NOW)
    check_quota(quota, ENDPOINT, now=NOW + timedelta(seconds=5))
    check_quota(None, ENDPOINT, now=NOW)
    with pytest.raises(RateLimited) as caught:
        check_quota(quota, ENDPOINT, now=NOW + timedelta(seconds=4))
    assert caught.value.until == NOW + timedelta(seconds=5)


@pytest.mark.parametrize("status", [403, 429])
def test_a_used_up_limit_goes_on_after_its_reset(status: int) -> None:
    told = answer(status, b"", **limited(0, NOW + timedelta(minutes=10)))
    assert until(told) == NOW + timedelta(minutes=10, seconds=5)


def test_retry_after_is_what_counts_where_it_is_told() -> None:
    told = answer(403, b"", Retry_After="30", **limited(0, NOW + timedelta(minutes=10)))
    assert until(told) == NOW + timedelta(seconds=30)


@pytest.mark.parametrize(
    "headers",
    [
        limited(0, NOW + 9 * HOUR),
        {"Retry_After": "999999999999"},
        limited(0, NEVER),
    ],
)
def test_nobody_is_made_to_wait_for_more_than_an_hour(headers: dict[str, str]) -> None:
    assert until(answer(429, b"", **headers)) == NOW + HOUR + timedelta(seconds=5)


def test_a_time_stamp_beyond_all_times_is_an_hour() -> None:
    headers = limited(0, NOW) | {"X_RateLimit_Reset": "999999999999"}
    assert until(answer(403, b"", **headers)) == NOW + HOUR + timedelta(seconds=5)


@pytest.mark.parametrize("headers", [limited(0, NOW - HOUR), {"Retry_After": "0"}, {"Retry_After": "soon"}])
def test_a_time_that_is_over_or_not_told_is_a_minute(headers: dict[str, str]) -> None:
    assert until(answer(429, b"", **headers)) == NOW + timedelta(minutes=1)


@pytest.mark.parametrize("message", [b"API Rate Limit exceeded", b"a secondary rate limit"])
def test_a_403_that_speaks_of_a_limit_is_one(message: bytes) -> None:
    assert until(answer(403, b'{"message": "%b"}' % message)) == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("headers", "needs"),
    [
        ({"X_Accepted_OAuth_Scopes": "repo", "X_OAuth_Scopes": "gist"}, "repo"),
        ({"X_Accepted_GitHub_Permissions": "issues=read; metadata=read"}, "issues=read; metadata=read"),
        ({"X_Accepted_OAuth_Scopes": "<b>\u2713</b>"}, ""),
        ({"X_Accepted_OAuth_Scopes": "x" * 201}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_403_without_a_limit_tells_the_scopes_that_are_plain_words(
    headers: dict[str, str], needs: str
) -> None:
    told = answer(403, b'{"message": "Resource\\nnot accessible"}', **limited(1, NOW), **headers)
    with pytest.raises(ScopeMissing) as caught:
        check_status(told, ENDPOINT, token="secret", now=NOW)
    assert caught.value.needs == needs
    assert caught.value.reason == "Resource not accessible"
    assert str(caught.value).count("/repos/o/r/issues") == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"message": 1}', b"[" * 9999, b'{"message": "\xff"}']
)
def test_an_error_without_a_message_has_no_reason(body: bytes) -> None:
    with pytest.raises(ScopeMissing) as caught:
        check_status(answer(403, body), ENDPOINT, token="secret", now=NOW)
    assert caught.value.reason == ""


def test_a_reason_is_short_and_repeats_no_token_and_no_address() -> None:
    body = b'{"message": "secret of https://x.test/path?token=1 %b"}' % (b"x" * 1000)
    with pytest.raises(ScopeMissing) as caught:
        check_status(answer(403, body), ENDPOINT, token="secret", now=NOW)
    assert caught.value.reason.startswith("***** of https://x.test/***** xxx")
    assert len(caught.value.reason) == 300
