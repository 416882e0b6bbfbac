"""Requests of tus, whole or hanging."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.api import Answer, Api
from tests.support.waiting import until

_ARRIVED = """SELECT true FROM uploads WHERE id = $1 AND writer IS NOT NULL
    AND (received > $2 OR EXISTS (SELECT FROM objects WHERE state = 'writing'))"""
"""That the first bytes have arrived: before them, there is no object."""

UPLOADS = "/api/crossdock/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {"Content-Type": "application/offset+octet-stream"}


async def tus(api: Api, method: str, path: str = "", *, by: str | None = "ann", **headers: Any) -> Answer:
    """A request; ``data`` is its body, and other names are headers, with ``_`` for ``-``."""
    body = {"data": headers.pop("data")} if "data" in headers else {}
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return await api.call(method, f"{UPLOADS}{path}", by=by, headers=TUS | named, **body)


async def created(api: Api, size: int = 10, **headers: Any) -> int:
    """The number of a new upload."""
    answer = await tus(api, "POST", Upload_Length=size, **headers)
    assert answer.status == 201, answer.body
    return int(answer.headers["Location"].rpartition("/")[2])


async def patched(api: Api, upload_id: int, data: object, *, offset: int, **headers: Any) -> Answer:
    """A PATCH."""
    return await tus(
        api, "PATCH", f"/{upload_id}", data=data, Upload_Offset=offset, **_named(PIECE), **headers
    )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


async def offset(api: Api, upload_id: int, **headers: Any) -> int:
    """What HEAD tells."""
    answer = await tus(api, "HEAD", f"/{upload_id}", **headers)
    assert answer.status == 200, answer.status
    return int(answer.headers["Upload-Offset"])


async def content(api: Api, upload_id: int) -> list[bytes]:
    """The pieces of an upload, as they are stored."""
    rows = await api.pool.fetch(
        """SELECT key FROM upload_pieces p JOIN objects o ON o.id = p.object_id
           WHERE upload_id = $1 ORDER BY position""",
        upload_id,
    )
    return [b"".join([chunk async for chunk in api.store.read(row["key"])]) for row in rows]


@asynccontextmanager
async def hanging(
    api: Api, upload_id: int, data: bytes, *, length: int, begin: int = 0, checksum: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A PATCH of ``length`` bytes that has sent ``data`` of them, which have arrived."""
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    head = {
        "Host": "x", "PRIVATE-TOKEN": api.tokens["ann"], "Content-Length": str(length),
        "Upload-Offset": str(begin), **TUS, **PIECE, **({"Upload-Checksum": checksum} if checksum else {}),
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f"PATCH {UPLOADS}/{upload_id} HTTP/1.1\r\n{lines}\r\n".encode() + data)
    await writer.drain()
    try:
        await until(lambda: api.pool.fetchval(_ARRIVED, upload_id, begin))
        yield reader, writer
    finally:
        writer.close()


async def uploaded(api: Api, *pieces: bytes, by: str = "ann") -> int:
    """The number of a new upload that has come in these pieces."""
    number, begin = await created(api, sum(map(len, pieces)), by=by), 0
    for each in pieces:
        assert (await patched(api, number, each, offset=begin, by=by)).status == 204
        begin += len(each)
    return number
