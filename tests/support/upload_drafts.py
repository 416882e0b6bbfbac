"""Requests by drafts of resumable uploads, whole or written by hand."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.api import Answer, Api
from tests.support.tus import UPLOADS

DRAFTS = ("5", "6")
"""The interop versions."""
HEADER = "Upload-Draft-Interop-Version"
PARTIAL = "application/partial-upload"


async def asked(
    api: Api, version: str, method: str, path: str = "", *, by: str | None = "ann", **headers: Any
) -> Answer:
    """A request; ``data`` is its body, and other names are headers, with ``_`` for ``-``."""
    body = {"data": headers.pop("data")} if "data" in headers else {}
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return await api.call(method, f"{UPLOADS}{path}", by=by, headers={HEADER: version} | named, **body)


async def begun(api: Api, version: str, **headers: Any) -> int:
    """The number of a new upload, of which more bytes are to come."""
    answer = await asked(api, version, "POST", Upload_Complete="?0", **headers)
    assert (answer.status, answer.headers["Upload-Complete"]) == (201, "?0"), answer.body
    return int(answer.headers["Location"].rpartition("/")[2])


async def appended(
    api: Api, version: str, number: int, data: object, *, offset: int, complete: str = "?0", **headers: Any
) -> Answer:
    """A PATCH, as its draft has it."""
    typed = {"Content_Type": PARTIAL} if version == "6" else {}
    return await asked(
        api, version, "PATCH", f"/{number}", data=data, Upload_Offset=offset, Upload_Complete=complete,
        **typed, **headers,
    )  # fmt: skip


async def told(api: Api, version: str, number: int) -> tuple[int, str]:
    """The offset that HEAD tells, and whether the upload is complete."""
    answer = await asked(api, version, "HEAD", f"/{number}")
    assert (answer.status, answer.headers["Cache-Control"]) == (204, "no-store"), answer
    return int(answer.headers["Upload-Offset"]), answer.headers["Upload-Complete"]


async def written(
    api: Api, head: str, body: bytes = b"", *, version: str = "6", http: str = "1.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a request has begun: its first line without HTTP's version, and its headers."""
    line, _, more = head.partition("\n")
    lines = [f"{line} HTTP/{http}", "Host: x", f"PRIVATE-TOKEN: {api.tokens['ann']}", f"{HEADER}: {version}"]
    lines += [each for each in more.split("\n") if each]
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    writer.write("\r\n".join([*lines, "", ""]).encode(errors="surrogateescape") + body)
    await writer.drain()
    return reader, writer


async def next_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """The status line of the next answer, interim ones too, and its headers."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines)
