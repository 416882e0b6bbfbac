from __future__ import annotations

import pytest

from services.cli.errors import ServerUnreachable
from services.cli.rate_limits import Throttle, seconds_to_retry
from services.cli.retries import ATTEMPTS, retries
from tests.support.gitlab_stub import Script, answer, crossdock

DATE = "Sat, 28 Nov 2026 02:00:00 GMT"
NOW = 1795831200
USED_UP = {"RateLimit-Name": "throttle_authenticated_api", "RateLimit-Remaining": "0", "Date": DATE}


class Clock:
    """Goes on by what is slept, and by nothing else."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Sat, 28 Nov 2026 02:00:09 GMT", "Date": DATE}, 9),
        ({"Retry-After": "Sat, 28 Nov 2026 01:00:00 GMT", "Date": DATE}, 0),
        ({"Retry-After": "30", "RateLimit-Reset": str(NOW + 7), "Date": DATE}, 30),
        ({"RateLimit-Reset": str(NOW + 7), "Date": DATE}, 7),
        ({"Retry-After": "soon", "RateLimit-Reset": str(NOW + 7), "Date": DATE}, 7),
        ({"RateLimit-Reset": str(NOW - 7), "Date": DATE}, 0),
        ({"RateLimit-Reset": "-1"}, None),
        ({}, None),
    ],
)
def test_when_to_try_again_is_what_the_server_says_by_its_own_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert seconds_to_retry(headers, is_limited=True) == seconds


def test_when_a_limit_ends_says_nothing_about_a_request_that_is_refused_for_itself() -> None:
    ends = {"RateLimit-Reset": str(NOW + 7), "Date": DATE}
    assert seconds_to_retry(ends, is_limited=False) is None
    assert seconds_to_retry(ends | {"Retry-After": "30"}, is_limited=False) == 30


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"RateLimit-Reset": str(NOW + 20)}, 20),
        ({"RateLimit-Reset": str(NOW + 20), "RateLimit-Remaining": "1"}, 0),
        ({"RateLimit-Reset": str(NOW + 20), "RateLimit-Name": "project_export"}, 0),
        ({"RateLimit-Reset": str(NOW + 24 * 3600)}, 0),
        ({}, 0),
    ],
    ids=["used up", "not used up", "of one address", "of a day", "without an end"],
)
async def test_a_limit_of_all_requests_that_is_used_up_is_waited_for(
    more: dict[str, str], seconds: float
) -> None:
    clock = Clock()
    throttle = Throttle(lambda: clock.now, clock.sleep)
    throttle.note(USED_UP | more)
    throttle.note({})
    await throttle.wait()
    assert clock.now == seconds


async def test_the_requests_of_a_session_wait_for_its_limit() -> None:
    clock = Clock()
    headers = {name.replace("-", "_"): value for name, value in USED_UP.items()}
    limited = answer({"id": 7}, 200, **headers, RateLimit_Reset=str(NOW + 20))
    async with Script(limited, crossdock()).client() as client:
        client.session.throttle = Throttle(lambda: clock.now, clock.sleep)
        await client.own_id()
        assert clock.now == 0
        assert await client.is_crossdock()
    assert clock.now == 20


@pytest.mark.parametrize("times", [0, 2])
async def test_a_request_is_repeated_as_often_as_the_command_says(times: int) -> None:
    script = Script(*[answer(status=503)] * ATTEMPTS)
    before = retries.set(times)
    async with script.client() as client:
        with pytest.raises(ServerUnreachable):
            await client.own_id()
    retries.reset(before)
    assert len(script.asked) == times + 1
