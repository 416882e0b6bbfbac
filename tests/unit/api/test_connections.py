"""Attacks on heads, idle connections and the full house: nobody holds a connection without paying for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest
from aiohttp import web

from services.listener.connection import Ending
from services.listener.connections import ConnectionLimits
from services.listener.guard import Guard
from services.listener.phase import Phase
from tests.support.guarded import GET, guarded
from tests.support.waiting import until

LIMITS = ConnectionLimits(most=80)


def _is(received: Counter[str], count: int) -> bool:
    return received["bytes"] == count


async def _wait(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def test_a_connection_that_sends_no_head_is_ended_after_15_seconds() -> None:
    async with guarded() as served:
        peer = await served.connect()

        served.pass_time(14)
        assert len(served.connections) == 1
        served.pass_time(1)

        assert await peer.rest() == b""
        assert served.ends == {Ending.HEAD: 1}


async def test_half_a_head_is_ended_after_15_seconds() -> None:
    async with guarded() as served:
        peer = await served.connect()
        peer.send(GET[:-2])

        served.pass_time(15)

        assert await peer.rest() == b""
        assert served.ends == {Ending.HEAD: 1}


async def test_bytes_that_drip_do_not_renew_the_time_for_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    received = Counter[str]()
    take = Guard.data_received

    def taken(guard: Guard, data: bytes) -> None:
        received["bytes"] += len(data)
        take(guard, data)

    monkeypatch.setattr(Guard, "data_received", taken)
    async with guarded() as served:
        peer, sent, head = await served.connect(), 0, b"GET /" + b"a" * 100
        while len(served.connections) and sent < 100:
            peer.send(head[sent : sent + 1])
            sent += 1
            await until(partial(_is, received, sent))
            served.pass_time(1)

        assert sent == 15
        await peer.rest()
        assert served.ends == {Ending.HEAD: 1}


async def test_a_head_that_drips_after_an_answer_has_15_seconds_from_its_first_byte() -> None:
    async with guarded() as served:
        peer = await served.connect()
        peer.send(GET)
        assert await peer.answer() == 200
        served.pass_time(50)
        assert served.connections.count(Phase.IDLE) == 1

        peer.send(GET[:1])
        await served.reached(Phase.HEAD)
        served.pass_time(14)
        assert len(served.connections) == 1
        served.pass_time(1)

        assert await peer.rest() == b""
        assert served.ends == {Ending.HEAD: 1}


async def test_an_idle_connection_is_kept_for_75_seconds_and_no_longer() -> None:
    async with guarded() as served:
        peer = await served.connect()
        for _ in range(2):
            peer.send(GET)
            assert await peer.answer() == 200
            await served.reached(Phase.SENDING)
            served.pass_time(75)
            assert len(served.connections) == 1
        served.pass_time(1)

        assert await peer.rest() == b""
        assert served.ends == {Ending.IDLE: 1}


async def test_a_client_that_closes_is_counted_once() -> None:
    async with guarded() as served:
        peer = await served.connect()
        peer.leave()

        await served.reached(Phase.HEAD, 0)
        assert served.ends == {Ending.OVER: 1}


async def test_good_requests_are_answered_while_silent_connections_fill_the_house() -> None:
    async with guarded(LIMITS, proxies=["127.0.0.0/8"]) as served:
        for _ in range(3 * LIMITS.most):
            await served.connect()
            served.clock.now += 0.1
            if len(served.connections) == LIMITS.most:
                good = await served.connect()
                good.send(GET)
                assert await good.answer() == 200
                good.leave()

            assert len(served.connections) <= LIMITS.most
        assert served.ends[Ending.EVICTED] > 2 * LIMITS.most


async def test_an_idle_connection_gives_its_place_away_before_one_that_sends_its_head() -> None:
    async with guarded(ConnectionLimits(most=2), proxies=["127.0.0.0/8"]) as served:
        heading, idle = await served.connect(), await served.connect()
        idle.send(GET)
        assert await idle.answer() == 200
        served.pass_time(1)
        await served.reached(Phase.IDLE)

        await served.connect()

        assert await idle.rest() == b""
        heading.send(GET)
        assert await heading.answer() == 200


async def test_a_request_at_work_is_never_evicted_and_who_comes_then_is_told_so() -> None:
    async with guarded(ConnectionLimits(most=2), handler=_wait, proxies=["127.0.0.0/8"]) as served:
        busy = [await served.connect() for _ in range(2)]
        for each in busy:
            each.send(GET)
        await served.reached(Phase.BUSY, 2)
        served.pass_time(1000)

        refused = (await (await served.connect()).rest()).decode()

        assert refused.startswith("HTTP/1.1 503 Service Unavailable\r\nServer: Crossdock\r\n")
        assert "Retry-After: 10\r\n" in refused
        assert refused.endswith("over the limit of connections\n")
        assert served.connections.count(Phase.BUSY) == 2
        assert served.ends == {Ending.FULL: 1}


async def test_a_new_connection_has_a_moment_for_its_head_before_it_is_evicted() -> None:
    async with guarded(ConnectionLimits(most=1), proxies=["127.0.0.0/8"]) as served:
        young = await served.connect()
        assert (await (await served.connect()).rest()).startswith(b"HTTP/1.1 503 ")

        young.send(GET)
        assert await young.answer() == 200


async def test_one_address_has_at_most_a_quarter_and_another_one_is_served() -> None:
    async with guarded(LIMITS, handler=_wait) as served:
        for _ in range(LIMITS.most // 4):
            (await served.connect()).send(GET)
        await served.reached(Phase.BUSY, LIMITS.most // 4)

        refused = (await (await served.connect()).rest()).decode()
        (await served.connect(local_addr=("127.0.0.2", 0))).send(GET)

        assert refused.startswith("HTTP/1.1 429 Too Many Requests\r\n")
        assert refused.endswith("over the limit of connections of one address\n")
        await served.reached(Phase.BUSY, LIMITS.most // 4 + 1)
        assert served.ends == {Ending.SHARE: 1}


async def test_an_address_over_its_share_loses_its_own_oldest_connection() -> None:
    async with guarded(ConnectionLimits(most=8)) as served:
        other = await served.connect(local_addr=("127.0.0.2", 0))
        served.clock.now += 1
        first = await served.connect()
        for _ in range(2):
            served.clock.now += 1
            await served.connect()

        assert await first.rest() == b""
        other.send(GET)
        assert await other.answer() == 200


async def test_shares_of_addresses_that_are_gone_are_forgotten() -> None:
    async with guarded() as served:
        for last in range(2, 6):
            (await served.connect(local_addr=(f"127.0.0.{last}", 0))).leave()

        await served.reached(Phase.HEAD, 0)
        assert served.connections._of_peers == {}
