"""What aiohttp cannot parse may have a token in it: neither log nor answer quotes a byte of it."""

from __future__ import annotations

import asyncio
import logging

import pytest
import structlog

from tests.support.api import Api
from tests.support.waiting import until

CANARY = b"glpat-canary-0123456789"
HEAD = b"GET /api/v4/version?private_token=" + CANARY + b" HTTP/1.1\r\nHost: x\r\n"
TOKEN = b"PRIVATE-TOKEN: " + CANARY + b"\r\n"
CHUNKED = b"POST /api/v4/projects HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + TOKEN + b"\r\n"
MALFORMED = {
    "no colon": HEAD + b"PRIVATE-TOKEN " + CANARY + b"\r\n\r\n",
    "a space in the name": HEAD + b"PRIVATE TOKEN: " + CANARY + b"\r\n\r\n",
    "a space before the colon": HEAD + b"PRIVATE-TOKEN : " + CANARY + b"\r\n\r\n",
    "no name": HEAD + b": " + CANARY + b"\r\n\r\n",
    "a NUL in a header": HEAD + b"PRIVATE-TOKEN: " + CANARY + b"\x00\r\n\r\n",
    "a control character": HEAD + b"PRIVATE-TOKEN: \x01" + CANARY + b"\r\n\r\n",
    "a folded header": HEAD + b"PRIVATE-TOKEN:\r\n " + CANARY + b"\r\n\r\n",
    "a bare line feed": HEAD + b"A: b\n" + TOKEN + b"\r\n",
    "a bare carriage return": HEAD + b"A: b\r" + TOKEN + b"\r\n",
    "no version": b"GET /api/v4/version?private_token=" + CANARY + b"\r\nHost: x\r\n\r\n",
    "another version": HEAD.replace(b"HTTP/1.1", b"HTTP/" + CANARY) + b"\r\n",
    "no method": b"\r\n/api/v4/version?private_token=" + CANARY + b" HTTP/1.1\r\n\r\n",
    "a broken method": b"GE(T" + HEAD[3:] + TOKEN + b"\r\n",
    "a token as the method": CANARY + b"{} / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a broken address": HEAD.replace(b"GET /", b"GET http://[" + CANARY + b"/") + b"\r\n",
    "an address with a NUL": HEAD.replace(CANARY, CANARY + b"\x00") + b"\r\n",
    "a broken port": HEAD.replace(b"GET /", b"GET http://x:" + CANARY + b"/") + b"\r\n",
    "a long line": HEAD.replace(CANARY, CANARY * 1000) + b"\r\n",
    "a long header": HEAD + b"PRIVATE-TOKEN: " + CANARY * 1000 + b"\r\n\r\n",
    "many headers": HEAD + TOKEN * 200 + b"\r\n",
    "a broken length": HEAD + b"Content-Length: " + CANARY + b"\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n" + TOKEN + b"\r\n",
    "a broken chunk": CHUNKED + CANARY + b"\r\n\r\n",
    "a broken cookie": HEAD + b"Cookie: a=b; " + CANARY + b"\x01=;;=\r\n\r\n",
    "a broken encoding": HEAD + b"Transfer-Encoding: " + CANARY + b"\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02" + CANARY + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
async def test_no_byte_of_a_malformed_request_is_logged_or_answered(
    api: Api,
    request_: bytes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
        writer.write(request_)
        answer = await asyncio.wait_for(_answer(reader), 30)
        writer.close()
        await until(lambda: not len(api.connections))

    printed = "".join(capfd.readouterr())
    said = "\n".join([answer.decode(), caplog.text, str(events), printed])
    assert "canary" not in said
    assert int(answer.split()[1]) < 500
    assert b"\r\nServer: Crossdock\r\n" in answer
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)
