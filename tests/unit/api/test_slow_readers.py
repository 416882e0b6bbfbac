"""Who does not take his answer, or goes away, does not keep a connection, a handler or its work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from services.listener.connection import Connection, Ending
from services.listener.connections import ConnectionLimits
from services.listener.guard import Guard
from services.listener.phase import Phase
from tests.support.guarded import GET, Guarded, Peer, guarded
from tests.support.waiting import until

MIB = 1024 * 1024
LIMITS = ConnectionLimits(rate=1024 * 1024)
"""With this rate the credit is the grace, 60 seconds."""


class Endless:
    """A handler that sends without end, and remembers how it ended."""

    def __init__(self) -> None:
        self.ended: BaseException | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            await response.prepare(request)
            while True:
                await response.write(bytes(65536))
        except BaseException as error:
            self.ended = error
            raise


class Steps:
    """A handler that goes on step by step, and says when it has begun."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.done = 0
        self.methods: list[str] = []
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        self.cancelled = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.methods.append(request.method)
        try:
            self.begun.set()
            await self.free.wait()
            while self.done < self.last:
                self.done += 1
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return web.Response()


async def _plain(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(32 * MIB))


async def _given_up(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1024):  # what the buffers of both sides do not hold
        if request.transport is not None and request.transport.get_write_buffer_size():
            break
        await response.write(bytes(65536 - 1))
    raise ConnectionAbortedError


async def _stream_and_give_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    guard = request.transport.get_protocol()
    assert isinstance(guard, Guard)
    guard.spare(seconds=900)
    return await _given_up(request)


@asynccontextmanager
async def _unread(served: Guarded) -> AsyncIterator[Peer]:
    """Ask, and read nothing until the buffers are full."""
    peer = await served.connect(limit=1024)
    peer.send(GET)
    await until(lambda: any(each.is_writing for each in _all(served)))
    yield peer


def _all(served: Guarded) -> list[Connection]:
    return [each for phase in Phase for each in served.connections._all.members(phase)]


async def test_a_download_that_nobody_takes_is_aborted_and_its_handler_told() -> None:
    handler = Endless()
    async with guarded(LIMITS, handler=handler.answer) as served, _unread(served):
        served.pass_time(120)

        await until(lambda: handler.ended is not None)
        assert served.ends == {Ending.SLOW: 1}
        assert isinstance(handler.ended, ConnectionError | asyncio.CancelledError)


async def test_a_plain_answer_that_nobody_takes_is_aborted() -> None:
    async with guarded(LIMITS, handler=_plain) as served, _unread(served):
        served.pass_time(120)

        assert served.ends == {Ending.SLOW: 1}


async def test_a_connection_whose_handler_has_given_up_does_not_wait_for_its_peer() -> None:
    async with guarded(LIMITS, handler=_given_up) as served, _unread(served):
        await served.reached(Phase.SENDING)
        served.pass_time(120)

        assert served.ends == {Ending.SLOW: 1}


async def test_a_reader_below_the_least_rate_is_aborted() -> None:
    async with guarded(LIMITS, handler=Endless().answer) as served, _unread(served) as peer:
        seconds = 0
        while len(served.connections) and seconds < 200:
            seconds += 1
            await peer.reader.readexactly(1024)
            served.pass_time(1)

        assert served.ends == {Ending.SLOW: 1}
        assert seconds < 130


async def test_a_slow_reader_over_the_least_rate_stays() -> None:
    """Sixteen times the rate: over loopback, acknowledgements may lag by 400 KiB."""
    limits = ConnectionLimits(rate=1024)
    async with guarded(limits, handler=Endless().answer) as served, _unread(served) as peer:
        for _ in range(60):
            await peer.reader.readexactly(128 * 1024)
            served.pass_time(8)

        assert served.ends == {}


async def test_a_peer_does_not_pay_for_an_event_loop_that_stood_still() -> None:
    async with guarded(LIMITS, handler=Endless().answer) as served, _unread(served):
        served.clock.now += 10_000
        served.connections.tick()

        assert served.ends == {}


async def test_an_event_stream_is_spared_for_its_life_and_no_longer() -> None:
    async with guarded(LIMITS, handler=Endless().answer) as served, _unread(served):
        [connection] = _all(served)
        served.connections.spare(connection, seconds=900)

        served.pass_time(899)
        assert served.ends == {}
        served.pass_time(130)
        assert served.ends == {Ending.SLOW: 1}


async def test_what_is_asked_for_after_an_event_stream_is_not_spared() -> None:
    async with guarded(LIMITS, handler=_stream_and_give_up) as served, _unread(served):
        await served.reached(Phase.SENDING)
        served.pass_time(120)

        assert served.ends == {Ending.SLOW: 1}


async def test_the_kernel_ends_a_connection_whose_peer_is_silent_for_two_minutes() -> None:
    async with guarded() as served:
        await served.connect()
        [connection] = _all(served)

        timeout = connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == 120_000


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_a_reading_request_stops_when_its_client_goes(method: bytes) -> None:
    handler = Steps(last=1000)
    async with guarded(handler=handler.answer) as served:
        peer = await served.connect()
        peer.send(GET.replace(b"GET", method))
        await handler.begun.wait()

        peer.leave()

        await until(lambda: handler.cancelled)
        assert handler.done == 0


async def test_a_reading_request_whose_connection_ended_before_it_began_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = Steps(last=1)
    take = Guard.data_received

    def take_and_end(guard: Guard, data: bytes) -> None:
        take(guard, data)
        assert guard._connection is not None
        guard._connections.end(guard._connection, Ending.EVICTED)

    monkeypatch.setattr(Guard, "data_received", take_and_end)
    async with guarded(handler=handler.answer) as served:
        peer = await served.connect()
        peer.send(GET)
        await peer.rest()
        peer = await served.connect()
        peer.send(GET.replace(b"GET", b"POST"))

        await until(lambda: "POST" in handler.methods)
        assert handler.methods == ["POST"]


async def test_a_writing_request_runs_to_its_end_when_its_client_goes() -> None:
    handler = Steps(last=1000)
    async with guarded(handler=handler.answer) as served:
        peer = await served.connect()
        peer.send(GET.replace(b"GET", b"POST"))
        await handler.begun.wait()

        peer.leave()
        await until(lambda: served.ends == {Ending.OVER: 1})
        handler.free.set()

        await until(lambda: handler.done == handler.last)
        assert not handler.cancelled
