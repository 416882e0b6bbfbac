"""Reads the events of jobs from a Crossdock: server-sent events (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec
from aiohttp import ClientResponse, ClientTimeout
from aiohttp.http_exceptions import LineTooLong

from services.cli.client import GitLabClient, ProjectReference
from services.cli.crossdock_api import JobProgress, UserOfJob
from services.cli.errors import ServerUnreachable, UnintelligibleAnswer
from services.cli.http import attempts, exchange, retry_if_transient

_LINE = 512 * 1024
"""Bytes that are read ahead. A line, which is one event, may have twice as many."""

_SILENCE = 60.0
"""Seconds without a byte after which the connection is lost: the server sends a comment every 15 seconds."""

PAUSE = timedelta(seconds=1)
"""The pause between two connections: the server ends each after a quarter of an hour, or when it stops."""

_NO_CONTENT = 204
_ENDED = frozenset({"finished", "failed", "canceled"})


class JobOfEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What an event tells of its job."""

    id: int
    kind: str
    state: str
    attempt: int
    max_attempts: int
    retry_of: int | None = None
    canceled_by: UserOfJob | None = None


class JobEventData(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a job's event. ``user_id`` is whose job it is."""

    job: JobOfEvent
    project: ProjectReference
    user_id: int | None = None
    progress: JobProgress = msgspec.field(default_factory=JobProgress)
    error: str | None = None
    error_code: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event: ``name`` is such as ``import.finished``, ``document`` the CloudEvent as it came."""

    name: str
    time: datetime
    document: msgspec.Raw
    data: JobEventData


class _CloudEvent(msgspec.Struct, frozen=True):
    time: datetime
    data: msgspec.Raw


EventTaker: TypeAlias = Callable[[Event | None], Awaitable[None]]
"""Takes an event, or None for what is none: the first comes when the server has noted where it begins."""


class EventStream:
    """The events of all jobs, or of one, in their order: none twice, none missing after a reconnection."""

    def __init__(self, client: GitLabClient, *, job: int | None = None, follow: bool = True) -> None:
        below = client.api.removesuffix("/api/v4") + "/api/crossdock/v1"
        path = "/events" if job is None else f"/jobs/{job}/events"
        self._session = client.session
        self._url = below + path + ("" if follow else "?follow=false")
        self._is_of_one = job is not None
        self._follow = follow
        self._position: str | None = None
        self._has_ended = False
        self._pause = timedelta()

    async def read(self, take: EventTaker) -> None:
        """Give events to ``take``, until the job ends, or without ``follow`` until there are no more.

        The events of all jobs have no end. The number of lost connections has no limit, as long as each
        brings something. Raises RefusedByServer, ServerUnreachable and UnintelligibleAnswer.
        """
        while not self._has_ended:
            await asyncio.sleep(self._pause.total_seconds())
            self._pause = PAUSE
            async for attempt in attempts(retry_if_transient):
                with attempt:
                    await self._read_one(take)

    async def _read_one(self, take: EventTaker) -> None:
        before = self._position
        try:
            async with self._open() as response:
                if has_content := response.status != _NO_CONTENT:
                    async for fields in _blocks(response):
                        await self._take(fields, take)
            self._has_ended |= not (has_content and self._follow)
        except ServerUnreachable:
            if before == self._position:
                raise

    def _open(self) -> AbstractAsyncContextManager[ClientResponse]:
        headers = {"Accept": "text/event-stream"}
        if self._position is not None:
            headers["Last-Event-ID"] = self._position
        timeout = ClientTimeout(total=None, sock_connect=30, sock_read=_SILENCE)
        return exchange(self._session, "GET", self._url, headers=headers, timeout=timeout, read_bufsize=_LINE)

    async def _take(self, fields: Mapping[str, str], take: EventTaker) -> None:
        event = _event(fields)
        await take(event)
        self._position = fields.get("id", self._position)
        self._has_ended |= self._is_of_one and event is not None and event.data.job.state in _ENDED


async def _blocks(response: ClientResponse) -> AsyncGenerator[dict[str, str], None]:
    """Yield the fields of each block: lines up to a blank one, without comments."""
    if response.content_type != "text/event-stream":
        raise UnintelligibleAnswer(f"{response.url.origin()} gave no events: it is no Crossdock")
    fields: dict[str, str] = {}
    try:
        async for line in response.content:
            text = line.decode().rstrip("\r\n")
            if not text:
                if fields:
                    yield fields
                fields = {}
            elif not text.startswith(":"):
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
    except (LineTooLong, UnicodeDecodeError) as error:
        raise UnintelligibleAnswer(f"{response.url.origin()} gave no events: {error}") from error


def _event(fields: Mapping[str, str]) -> Event | None:
    """Decode a job's event; None for a block without data, and for an event of something else."""
    if "data" not in fields:
        return None
    document = fields["data"].encode()
    try:
        read = msgspec.json.decode(document, type=_CloudEvent)
        data = msgspec.json.decode(read.data, type=JobEventData)
    except msgspec.MsgspecError:
        return None
    return Event(name=fields.get("event", ""), time=read.time, document=msgspec.Raw(document), data=data)
