"""What aiohttp cannot parse may have a token in it: neither log nor answer quotes a byte of it."""

from __future__ import annotations

import logging

import pytest
import structlog

from tests.support.api import Api
from tests.support.malformed import MALFORMED, ask
from tests.support.waiting import until


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
async def test_no_byte_of_a_malformed_request_is_logged_or_answered(
    api: Api,
    request_: bytes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        answer = await ask(str(api.url.host), api.url.port or 0, request_)
        await until(lambda: not len(api.connections))

    printed = "".join(capfd.readouterr())
    said = "\n".join([answer.decode(), caplog.text, str(events), printed])
    assert "canary" not in said
    assert int(answer.split()[1]) < 500
    assert b"\r\nServer: Crossdock\r\n" in answer
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer
