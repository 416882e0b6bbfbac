"""A server that is named as a bucket and does not speak S3: each call ends with an error of the storage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.storage.errors import OperationRefused
from shared.storage.s3 import S3Config, S3Store, s3_store
from tests.support.objects import put

Use = Callable[[S3Store], Awaitable[object]]


async def _read(store: S3Store) -> None:
    async with aclosing(store.read("a")) as chunks:
        async for _ in chunks:
            pass


async def _write_parts(store: S3Store) -> None:
    await put(store, "a", b"x" * (6 * 1024 * 1024))


@pytest.mark.parametrize(
    ("use", "missing"),
    [
        (lambda store: put(store, "a", b"x"), None),
        (_write_parts, "UploadId"),
        (_read, "ETag"),
        (lambda store: store.direct.begin("a"), "UploadId"),
    ],
    ids=["write", "write in parts", "read", "write by addresses"],
)
async def test_an_answer_that_lacks_what_s3_always_says_is_a_refusal(use: Use, missing: str | None) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(text="", headers={"Content-Length": "0"})

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        config = S3Config(
            bucket="none", endpoint_url=str(server.make_url("")).rstrip("/"), access_key="key",
            secret_key="secret", addressing_style="path",
        )  # fmt: skip
        async with s3_store(config) as store:
            if missing is None:
                await use(store)
                return
            with pytest.raises(OperationRefused, match=f"the answer has no {missing}$"):
                await use(store)
