"""The users of a soak: they ask as its plan says, and note what they are told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import aiohttp

from tests.soak import archives
from tests.soak.plan import Kind, Wish
from tests.soak.record import Asked, Told

_PAUSE = 0.5
_ENDED = {"finished", "failed", "canceled"}
_BUSY = {409, 429, 500, 502, 503, 504}
"""Answers after which a user asks again: a key is at work, or a part of the service is away."""
_NOT_SENT = (aiohttp.ClientConnectorError, ConnectionRefusedError)

Body = Callable[[], Any]


class Users:
    """Some users, who share one account. ``patience``: seconds that one request is asked again and again."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, receiver: str, seed: int, patience: float = 120
    ) -> None:
        self._session = session
        self._url = url
        self._receiver = receiver
        self._patience = patience
        self._rng = random.Random(seed)  # noqa: S311  # which project is exported, no secret
        self._exportable: list[Asked] = []
        self.asked: list[Asked] = []

    async def grant(self, wishes: Sequence[Wish], *, at_once: int, seconds: float) -> None:
        """Ask for all in bursts of ``at_once``, which are spread over the ``seconds``."""
        loop, waiting = asyncio.get_running_loop(), list(enumerate(wishes))[::-1]
        began = loop.time()

        async def ask() -> None:
            while waiting:
                place, wish = waiting.pop()
                due = began + seconds * (place - place % at_once) / len(wishes)
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self.ask(wish)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(ask())

    async def ask(self, wish: Wish) -> None:
        """Ask for what a wish says, and wait for its end."""
        if wish.kind in (Kind.EXPORT, Kind.UPLOAD) and self._exportable:
            await self._export(wish, self._exportable.pop(self._rng.randrange(len(self._exportable))))
        else:
            await self._import(wish)

    async def _import(self, wish: Wish) -> None:
        overwrites = wish.kind is Kind.OVERWRITE
        path = f"o{wish.place}" if overwrites else f"p{wish.number}"
        kind = wish.kind if wish.kind in (Kind.OVERWRITE, Kind.CANCEL) else Kind.IMPORT
        each = self._note(Asked(_as(wish, kind), path=path, archive=wish))
        packed = archives.packed(wish.number, mib=wish.mib)

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData({"path": path, "overwrite": str(overwrites).lower()})
            made.add_field("file", BytesIO(packed), filename="a.tar.gz")
            return made

        answer = await self._send(each, "/api/v4/projects/import", form)
        if each.told is Told.ACCEPTED and answer:
            each.project = answer["id"]
            if wish.kind is Kind.CANCEL:
                await self._cancel(each)
            if await self._end_of(each) == "finished" and kind is Kind.IMPORT:
                self._exportable.append(each)

    async def _export(self, wish: Wish, of: Asked) -> None:
        each = self._note(Asked(wish, path=of.path, archive=of.archive, project=of.project))
        given: dict[str, str] = {}
        if wish.kind is Kind.UPLOAD:
            each.target = f"/u/{wish.number}"
            given = {"upload[url]": f"{self._receiver}{each.target}", "upload[http_method]": "PUT"}
        await self._send(each, f"/api/v4/projects/{of.project}/export", lambda: aiohttp.FormData(given))
        if each.told is not Told.ACCEPTED or await self._end_of(each) != "finished":
            return  # it may still be exported: another export would be refused
        if wish.kind is Kind.EXPORT:
            await self._download(each)
        if wish.kind is Kind.EXPORT or await self._is_uploaded(each):
            self._exportable.append(of)

    def _note(self, each: Asked) -> Asked:
        self.asked.append(each)
        return each

    async def _send(self, each: Asked, path: str, body: Body) -> Any:
        """Ask until there is an answer; with a key once more after that, as whoever has lost the answer."""
        answer = await self._answered(each, path, body)
        if each.wish.keyed and each.told is Told.ACCEPTED:
            again = await self._answered(each, path, body)
            answer = again if again is not None else answer
        return answer

    async def _answered(self, each: Asked, path: str, body: Body) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while loop.time() < until:
            each.sent += 1
            try:
                done, answer = await self._once(each, path, body)
            except _NOT_SENT:
                done, answer = False, None
            except (aiohttp.ClientError, OSError, TimeoutError):
                done, answer = not each.wish.keyed, None
            if done:
                return answer
            await asyncio.sleep(_PAUSE)
        return None

    async def _once(self, each: Asked, path: str, body: Body) -> tuple[bool, Any]:
        """Send once, and tell whether that was all."""
        headers = {"X-Request-Id": each.correlation}
        if each.wish.keyed:
            headers["Idempotency-Key"] = each.correlation
        async with self._session.post(f"{self._url}{path}", data=body(), headers=headers) as response:
            text = await response.text()
            if response.ok:
                each.told, each.answer = Told.ACCEPTED, ""
                each.jobs.add(int(response.headers.get("X-Crossdock-Job", "0")))
                return True, await response.json() if response.status == 201 else None
            each.answer = f"{response.status} {text[:200]}"
            if response.status in _BUSY:
                # Without a key, who asks again after one of these may ask twice for the same.
                return not each.wish.keyed and response.status != 429, None
            each.told = Told.REFUSED
            return True, None

    async def _cancel(self, each: Asked) -> None:
        for job in each.jobs:
            await self._get("POST", f"/api/crossdock/v1/jobs/{job}/cancel")

    async def _end_of(self, each: Asked) -> str:
        """Wait for the end of a job, and give its state; nothing where it takes too long."""
        return await self._wait("GET", f"/api/crossdock/v1/jobs/{min(each.jobs, default=0)}", "state")

    async def _is_uploaded(self, each: Asked) -> bool:
        state = await self._wait("GET", f"/api/v4/projects/{each.project}/export", "export_status")
        return state == "finished"

    async def _wait(self, method: str, path: str, key: str) -> str:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while loop.time() < until:
            found = await self._get(method, path)
            if found and found.get(key) in _ENDED:
                return str(found[key])
            await asyncio.sleep(_PAUSE / 2)
        return ""

    async def _get(self, method: str, path: str) -> Any:
        """Ask once, and give what a good answer has."""
        try:
            async with self._session.request(method, f"{self._url}{path}") as response:
                return await response.json() if response.ok else None
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def _download(self, each: Asked) -> None:
        assert each.archive is not None
        for _ in range(5):
            whole = await fetch(self._session, f"{self._url}/api/v4/projects/{each.project}/export/download")
            if whole is not None:
                if not archives.is_whole(whole, each.archive.number, mib=each.archive.mib):
                    each.wrong.append("another content")
                return
            await asyncio.sleep(_PAUSE)


async def fetch(session: aiohttp.ClientSession, url: str) -> bytes | None:
    """Give a body that came whole; None where it did not."""
    try:
        async with session.get(url) as response:
            return await response.read() if response.ok else None
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


def _as(wish: Wish, kind: Kind) -> Wish:
    return replace(wish, kind=kind)
