"""A message that cannot be processed, seen and dealt with by an administrator in a browser."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from playwright.async_api import Locator, Page, expect

from shared.broker.base import Broker, Message
from shared.broker.rabbitmq import rabbitmq_broker
from tests.support.browser import Visit, Windows, chromium
from tests.support.rabbitmq import RabbitMQServer
from tests.support.system import System

SOON = 60_000
NONE = "None. A message that no worker could process would stand here."


@pytest.fixture
async def broker(distributed_system: System, rabbitmq_server: RabbitMQServer) -> AsyncIterator[Broker]:
    """The queues of the system, which have no dead letters when the test ends."""
    prefix = distributed_system.processes["importer-0"].env["CROSSDOCK_BROKER_PREFIX"]
    async with rabbitmq_broker(rabbitmq_server.url, prefix=prefix) as opened:
        yield opened
        await opened.discard("import")


@pytest.fixture
async def visit(distributed_system: System) -> AsyncIterator[Visit]:
    system = distributed_system
    async with chromium() as browser, Windows(browser, system.url).visiting(token=system.token) as opened:
        yield opened


@contextmanager
def _importers_stand_still(system: System) -> Iterator[None]:
    importers = [each.pid for name, each in system.processes.items() if name.startswith("importer")]
    for pid in importers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in importers:
            os.kill(pid, signal.SIGCONT)


def _letters(page: Page) -> Locator:
    return page.get_by_role("table", name="Dead letters").locator("[data-row]")


def _tile(page: Page) -> Locator:
    return page.locator(".tiles > *").filter(has_text="Dead letters")


async def test_a_dead_letter_is_seen_replayed_and_dropped(
    distributed_system: System, broker: Broker, visit: Visit
) -> None:
    page = visit.page
    await visit.open("/system")
    await expect(page.get_by_text(NONE)).to_be_visible()

    for number in ("first", "second"):
        await broker.publish("import", Message(f"poison, {number}".encode(), message_id=number))
    await expect(_letters(page)).to_have_count(2, timeout=SOON)
    await expect(_tile(page)).to_contain_text("2")
    first = _letters(page).filter(has_text="poison, first")
    await first.get_by_text(re.compile("Message, ")).click()
    await expect(first.get_by_text("poison, first")).to_be_visible()
    assert await visit.violations() == []
    await visit.look("dead-letters")

    with _importers_stand_still(distributed_system):
        await first.get_by_role("button", name="Replay this message").click()
        await expect(page.get_by_text("1 message sent again.")).to_be_visible()
        await expect(_letters(page)).to_have_count(1, timeout=SOON)
        await expect(_letters(page)).to_contain_text("poison, second")
    await expect(_letters(page)).to_have_count(2, timeout=SOON)

    for left in (1, 0):
        await _letters(page).first.get_by_role("button", name="Drop this message").click()
        await page.get_by_role("dialog").get_by_role("button", name="Drop", exact=True).click()
        await expect(_letters(page)).to_have_count(left, timeout=SOON)
    await expect(page.get_by_text(NONE)).to_be_visible()
    await expect(_tile(page)).to_contain_text("none")
