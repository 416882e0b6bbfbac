"""Requests that aiohttp cannot parse, each with the word ``canary`` in it."""

from __future__ import annotations

import asyncio

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


async def ask(host: str, port: int, request: bytes) -> bytes:
    """Send a request, and give the whole answer."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await _answer(reader)
    writer.close()
    return answer


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)
