from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import psutil
import pytest
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from services.process.monitoring import Monitor, open_monitor
from services.process.ports import Ports
from shared.admission import Holder, PlaceRules, Places, PlacesTaken, ShareUsed
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.database.pool import session as database_session
from shared.errors import ObjectMissing
from shared.metrics.database import PoolCollector
from shared.metrics.loop import LoopLag
from shared.metrics.storage import StorageMetrics
from shared.settings.environment import Settings
from shared.storage.filesystem import FilesystemStore
from shared.storage.observed import ObservedStore
from tests.support.malformed import MALFORMED, ask
from tests.support.ports import free_ports
from tests.support.sealing import sealer
from tests.support.waiting import until

MOST = 16


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with database(database_url, size=2) as opened:
        yield opened


@pytest.fixture
def ports(pool: Pool, tmp_path: Path, database_url: str) -> Ports:
    session = partial(database_session, database_url)
    return Ports(pool, FilesystemStore(tmp_path), MemoryBroker(), session, sealer())


@pytest.fixture
def settings() -> Settings:
    [port] = free_ports(1)
    return Settings(metrics_port=port, metrics_connections_at_once=MOST)


@pytest.fixture
async def monitor(ports: Ports, settings: Settings) -> AsyncIterator[Monitor]:
    async with open_monitor(ports, settings, service="test") as opened:
        yield opened


@pytest.fixture
async def session(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{settings.metrics_port}") as opened:
        yield opened


async def test_metrics_come_in_the_format_that_is_asked_for(
    monitor: Monitor, session: aiohttp.ClientSession
) -> None:
    async with session.get("/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
    async with session.get("/metrics", headers={"Accept": "application/openmetrics-text"}) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")

    [build] = families["crossdock_build_info"].samples
    assert build.labels["service"] == "test"
    assert families["process_resident_memory_bytes"].samples[0].value > 2**20
    assert families["process_open_fds"].samples[0].value > 3


async def test_answers_of_the_metrics_port_name_no_version(
    monitor: Monitor, session: aiohttp.ClientSession
) -> None:
    for path in ("/metrics", "/-/liveness", "/nothing"):
        async with session.get(path) as answer:
            assert answer.headers["Server"] == "Crossdock"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.usefixtures("monitor")
async def test_the_metrics_port_logs_and_answers_no_byte_of_a_malformed_request(
    settings: Settings, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        answers = {
            name: await ask("127.0.0.1", settings.metrics_port, each) for name, each in MALFORMED.items()
        }
    for name, answer in answers.items():
        assert b"canary" not in answer, name
        assert int(answer.split()[1]) < 500, name
        assert b"\r\nServer: Crossdock\r\n" in answer, name
        assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer, name
    assert "malformed_request" in str(events)
    assert "canary" not in "\n".join([caplog.text, str(events), *capfd.readouterr()])


async def test_the_metrics_port_ends_a_connection_without_a_head(ports: Ports, settings: Settings) -> None:
    async with open_monitor(ports, settings.model_copy(update={"head_seconds": 1}), service="test"):
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.metrics_port)
        writer.write(b"GET /metrics HTTP/1.1\r\n")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.usefixtures("monitor")
async def test_silent_connections_shut_no_probe_out_of_the_metrics_port(
    settings: Settings,
) -> None:
    with ExitStack() as silent:
        for host in range(2, 12):
            for _ in range(MOST // 4):
                silent.enter_context(await _connect(settings, f"127.0.0.{host}"))
        await until(lambda: _open(settings) == MOST)
        await until(partial(_answers, settings, "127.0.0.1"))
        assert _open(settings) <= MOST


@pytest.mark.usefixtures("monitor")
async def test_one_address_has_a_quarter_of_the_metrics_port_and_is_answered(
    settings: Settings,
) -> None:
    with ExitStack() as silent:
        for _ in range(3 * MOST):
            silent.enter_context(await _connect(settings, "127.0.0.1"))
        await until(lambda: _open(settings) <= MOST // 4)
        await until(partial(_answers, settings, "127.0.0.1"))


async def _connect(settings: Settings, address: str) -> socket.socket:
    """Open a connection from an address of our own."""
    server = "127.0.0.1", settings.metrics_port
    return await asyncio.to_thread(socket.create_connection, server, 10, (address, 0))


def _open(settings: Settings) -> int:
    """Count the connections that the metrics port has accepted and not ended."""
    return sum(
        each.status == "ESTABLISHED" and each.laddr.port == settings.metrics_port
        for each in psutil.Process().net_connections()
    )


async def _answers(settings: Settings, address: str) -> bool:
    """Ask once whether the process lives: among connections younger than a moment one may be refused."""
    try:
        with await _connect(settings, address) as asking:
            asking.sendall(b"GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n")
            return b" 200 OK" in await asyncio.to_thread(asking.recv, 100)
    except ConnectionError:
        return False


async def test_two_monitors_in_one_process_do_not_know_of_each_other(ports: Ports) -> None:
    async with (
        open_monitor(ports, Settings(), service="one") as one,
        open_monitor(ports, Settings(), service="other") as other,
    ):
        with pytest.raises(ObjectMissing):
            await one.ports.store.stat("nothing")

        stats = {"operation": "stat", "result": "missing"}
        assert one.registry.get_sample_value("crossdock_storage_operations_total", stats) == 1
        assert other.registry.get_sample_value("crossdock_storage_operations_total", stats) is None


async def test_nothing_listens_where_no_port_is_set(ports: Ports) -> None:
    before = _listening()  # of servers that other tests left to the whole session
    async with open_monitor(ports, Settings(metrics_port=0), service="test"):
        assert _listening() == before


async def test_one_more_port_is_listened_on_where_one_is_set(ports: Ports, settings: Settings) -> None:
    before = _listening()
    async with open_monitor(ports, settings, service="test"):
        [(_, port)] = _listening() - before
        assert port == settings.metrics_port


def _listening() -> set[tuple[str, int]]:
    """Give the addresses on which this process takes connections."""
    return {each.laddr for each in psutil.Process().net_connections() if each.status == "LISTEN"}


async def test_probes_are_told_of_draining_and_of_what_is_away(
    monitor: Monitor, session: aiohttp.ClientSession, pool: Pool
) -> None:
    async def status(path: str) -> int:
        async with session.get(path) as answer:
            return answer.status

    assert await status("/-/readiness?all=1") == 200
    monitor.readiness.drain()
    assert await status("/-/readiness") == 503
    monitor.readiness.draining = False
    assert await status("/-/readiness") == 200
    await pool.close()
    assert await status("/-/readiness") == 503
    assert await status("/-/liveness") == 200


async def test_a_disk_that_is_nearly_full_is_told_and_no_other_reason(
    ports: Ports, settings: Settings, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    nearly_full = replace(ports, store=FilesystemStore(tmp_path, wanted=2**60))
    async with open_monitor(nearly_full, settings, service="test"):
        await ports.pool.close()
        async with session.get("/-/readiness?all=1") as answer:
            assert answer.status == 503
            found = await answer.json()
        async with session.get("/-/readiness") as short:
            assert "storage_check" not in await short.json()
    assert found["db_check"] == [{"status": "failed"}]
    [storage] = found["storage_check"]
    assert storage["status"] == "failed"
    assert re.search(rf"{tmp_path} has \d+ bytes free, and {2**60} are wanted", storage["message"])


async def test_a_process_whose_storage_is_away_lives_is_not_ready_and_tells_since_when(
    ports: Ports, settings: Settings, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    away = replace(ports, store=FilesystemStore(tmp_path, wanted=2**60))
    async with open_monitor(away, settings, service="test") as monitor:
        assert not await monitor.ports.storage_gate.is_there()
        async with session.get("/-/readiness") as answer:
            assert answer.status == 503
            found = await answer.json()
        async with session.get("/-/liveness") as alive:
            assert alive.status == 200
        since = monitor.ports.storage_gate.away_since
        told = monitor.registry.get_sample_value("crossdock_storage_away_seconds")
    assert found["storage_check"] == [
        {"status": "failed", "message": f"away since {since:%Y-%m-%dT%H:%M:%SZ}"}
    ]
    assert told is not None
    assert told > 0


async def test_the_pool_tells_its_connections_and_who_waits_for_one(pool: Pool) -> None:
    registry = CollectorRegistry()
    PoolCollector(registry, pool)
    sample = registry.get_sample_value
    async with pool.acquire(), pool.acquire():
        third = asyncio.create_task(pool.fetchval("SELECT 1"))
        await until(lambda: sample("crossdock_database_waiting") == 1)
        assert sample("crossdock_database_connections", {"state": "busy"}) == 2
    assert await third == 1

    assert sample("crossdock_database_connections", {"state": "busy"}) == 0
    assert sample("crossdock_database_connections", {"state": "idle"}) == 2
    assert sample("crossdock_database_connections_max") == 2
    assert sample("crossdock_database_waiting") == 0


async def test_a_loop_that_is_blocked_is_late() -> None:
    registry = CollectorRegistry()
    task = asyncio.create_task(LoopLag(registry).run())
    await asyncio.sleep(0)  # it begins
    time.sleep(0.5)  # noqa: ASYNC251  # what is measured
    await until(lambda: registry.get_sample_value("crossdock_event_loop_lag_seconds_count"))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    lag = registry.get_sample_value("crossdock_event_loop_lag_seconds_sum")
    assert lag is not None
    assert lag >= 0.2


async def test_storage_counts_operations_by_their_end_and_bytes_as_they_move(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    store = ObservedStore(FilesystemStore(tmp_path), StorageMetrics(registry))

    def ended(operation: str, result: str) -> float | None:
        labels = {"operation": operation, "result": result}
        return registry.get_sample_value("crossdock_storage_operations_total", labels)

    def moved(operation: str) -> float | None:
        return registry.get_sample_value("crossdock_storage_bytes_total", {"operation": operation})

    async with store.create("a") as writer:
        await writer.write(b"x" * 3_000_000)
        assert moved("write") == 3_000_000
        assert registry.get_sample_value("crossdock_storage_open", {"operation": "write"}) == 1
        await writer.commit()
    async with aclosing(store.read("a")) as chunks:
        await anext(chunks)
    assert sum([len(chunk) async for chunk in store.read("a", length=10)]) == 10
    with pytest.raises(ObjectMissing):
        await anext(store.read("b"))
    with pytest.raises(LookupError):
        await _left(store)

    assert (ended("write", "ok"), ended("write", "failed")) == (1, 1)
    assert [ended("read", result) for result in ("ok", "abandoned", "missing")] == [1, 1, 1]
    assert registry.get_sample_value("crossdock_storage_open", {"operation": "read"}) == 0
    assert registry.get_sample_value("crossdock_storage_open", {"operation": "write"}) == 0


async def _left(store: ObservedStore) -> None:
    async with store.create("c"):
        raise LookupError


async def test_places_are_counted_by_their_kind_and_without_their_holders(
    session: aiohttp.ClientSession, monitor: Monitor
) -> None:
    places = Places(replace(PlaceRules().limits("uploads", 2), patience=timedelta(milliseconds=1)))
    monitor.ports.place_metrics.watch([places])
    async with places.hold(Holder.of_user(1)):
        with pytest.raises(ShareUsed):
            await places.take(Holder.of_user(1))
        async with places.hold(Holder.of_user(2)):
            with pytest.raises(PlacesTaken):
                await places.take(Holder.of_user(3))
            text = await (await session.get("/metrics")).text()

    found = {
        (sample.name, sample.labels.get("reason")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("kind") == "uploads"
    }
    waited = found.pop(("crossdock_places_wait_seconds_sum", None))
    assert waited > 0
    assert found == {
        ("crossdock_places", None): 2,
        ("crossdock_places_used", None): 2,
        ("crossdock_places_waiting", None): 0,
        ("crossdock_places_most_held", None): 1,
        ("crossdock_places_refused_total", "share"): 1,
        ("crossdock_places_refused_total", "full"): 1,
        ("crossdock_places_wait_seconds_count", None): 2,
    }
    assert "user:" not in text
