"""What a request has changed, committed before its end, with the answer that its key keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

KEEP_ANSWER: web.RequestKey[Callable[[web.StreamResponse], Awaitable[None]]] = web.RequestKey("keep_answer")
"""Keeps an answer and commits; requests without a key have none, and commit as they go."""


async def commit_effect(request: web.Request, answer: web.StreamResponse) -> None:
    """Commit what the request has changed, for one that goes on at length.

    Another request with its key is given ``answer``, or the last one, once there is one.
    """
    keep = request.get(KEEP_ANSWER)
    if keep is not None:
        await keep(answer)
