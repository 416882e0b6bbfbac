from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.remote.waits import told_wait

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
STAMP = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "86400"}, 3600),
        ({"Retry-After": "Fri, 27 Nov 2026 12:01:30 GMT"}, 90),
        ({"Retry-After": "Fri, 27 Nov 2026 11:00:00 GMT"}, 1),
        ({"Retry-After": "Fri, 27 Nov 9999 11:00:00 -0000"}, 3600),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": str(STAMP + 42)}, 42),
        ({"RateLimit-Remaining": "3", "RateLimit-Reset": str(STAMP + 42)}, None),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "later"}, None),
        ({"RateLimit-Remaining": "0"}, None),
    ],
)
def test_the_wait_is_what_the_headers_ask_for_and_an_hour_at_most(
    headers: dict[str, str], seconds: int | None
) -> None:
    assert told_wait(headers, now=NOW) == seconds
