"""Another system that sends commands through the in-process broker, and waits for their answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry

from services.api.http.places import PlaceNumbers, make_places
from services.api.queue.actors import Actors
from services.api.queue.consumer import INBOX, CommandConsumer
from services.api.queue.metrics import CommandMetrics
from services.api.queue.reply_queues import ReplyQueues
from services.api.use_cases import UseCaseConfig, make_use_cases
from services.api.wiring import make_command_service
from shared.assembly.blocks import make_block_reader
from shared.broker.base import DeadLetter, Delivery, Message
from shared.jobs.announcer import Announcer
from shared.metrics.blocks import BlockMetrics
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.projects import store
from shared.settings.application import ApplicationSettings
from shared.tracing.base import OFF
from tests.support.api import ARCHIVE, EXTERNAL_URL, UNLIMITED, Api
from tests.support.jobs import MINUTE
from tests.support.sealing import sealer
from tests.support.waiting import until

ACTORS = "forge=ann,forge=root,ci=*"
SOURCE = "https://forge.example.com"
KEY = "incoming/forge/one.tar.gz"
_ANSWERS = "answers"
_SOON = 20.0


def command(
    kind: str, data: object, *, number: str = "1", actor: str | None = "ann", **attributes: str
) -> Message:
    """A command of the user of the broker forge, in binary mode."""
    given = {
        "specversion": "1.0", "id": number, "source": SOURCE, "type": f"com.crossdock.{kind}.v1", **attributes
    }  # fmt: skip
    if actor is not None:
        given["actor"] = actor
    return Message(
        json.dumps(data).encode(), f"m-{number}", f"c-{number}", content_type="application/json",
        headers={f"cloudEvents_{name}": value for name, value in given.items()}, reply_to=_ANSWERS,
        user_id="forge",
    )  # fmt: skip


async def put(api: Api, key: str = KEY) -> dict[str, Any]:
    """Put an archive where others may put theirs; gives the source that names it."""
    async with api.store.create(key) as writer:
        await writer.write(ARCHIVE)
        await writer.commit()
    return {"key": key}


async def jobs_of(api: Api) -> int:
    """How many jobs there are."""
    number: int = await api.pool.fetchval("SELECT count(*) FROM jobs")
    return number


async def anns_project(api: Api) -> Any:
    """The project of the user ann."""
    project = await store.find_by_path(api.pool, "ann/project")
    if project is None:
        user = (await api.get("/user", by="ann")).body["id"]
        project = await store.create(
            api.pool,
            store.NewProject(
                namespace_id=await api.pool.fetchval("SELECT id FROM namespaces WHERE path = 'ann'"),
                creator_id=user, path="project", name="project",
            ),
        )  # fmt: skip
    return project


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    message: Message
    type: str
    data: Any

    @property
    def accepted(self) -> bool:
        """Whether there is a job now."""
        return self.type == "com.crossdock.command.accepted.v1"


@dataclass(slots=True)
class Forge:
    """The other system. What it sends is numbered, so that each message is another."""

    api: Api
    answers: AsyncIterator[Delivery]
    registry: CollectorRegistry
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def ask(self, kind: str, data: object, *, number: str | None = None, **more: Any) -> Answer:
        """Send a command and wait for its answer."""
        return await self.send(command(kind, data, number=number or str(next(self.numbers)), **more))

    async def send(self, message: Message) -> Answer:
        """Send a message and wait for its answer."""
        await self.api.broker.publish(INBOX, message)
        return await self.next_answer()

    async def next_answer(self) -> Answer:
        """The next answer to come."""
        async with asyncio.timeout(_SOON):
            delivery = await anext(self.answers)
        await delivery.ack()
        kind = delivery.message.headers["cloudEvents_type"]
        return Answer(delivery.message, kind, json.loads(delivery.message.body))

    def ended(self) -> dict[str, float]:
        """How many hand-overs ended in which way."""
        results = ("accepted", "refused", "given_back")
        counted = (
            self.registry.get_sample_value("crossdock_commands_total", {"result": each}) for each in results
        )
        return {each: count for each, count in zip(results, counted, strict=True) if count}

    def replied(self) -> dict[str, float]:
        """How many replies ended in which way."""
        results = ("sent", "gone", "forbidden")
        counted = (
            self.registry.get_sample_value("crossdock_command_replies_total", {"result": each})
            for each in results
        )
        return {each: count for each, count in zip(results, counted, strict=True) if count}

    async def dead_letters(self, count: int = 1) -> list[DeadLetter]:
        """What was refused, once there are ``count``: an answer comes before."""

        async def enough() -> list[DeadLetter]:
            found = [each async for each in self.api.broker.dead_letters(INBOX)]
            return found if len(found) >= count else []

        return await until(enough)


@asynccontextmanager
async def forge(
    api: Api, *, consumers: int = 1, remote: RemoteImportPolicy | None = None, **settings: Any
) -> AsyncIterator[Forge]:
    """Consume commands over what ``api`` works with, under these application settings."""
    config = UseCaseConfig(
        defaults=ApplicationSettings(**(UNLIMITED | settings)), outbound=remote or RemoteImportPolicy()
    )
    registry, announcer = CollectorRegistry(), Announcer(api.broker, most=100, patience=MINUTE)
    uses = make_use_cases(
        api.pool,
        api.store,
        announcer,
        blocks=make_block_reader(api.pool, api.store, BlockMetrics()),
        sealer=sealer(),
        config=config,
        places=make_places(PlaceNumbers()),
        on_quota=lambda _: None,
    )
    service = make_command_service(api.pool, uses, actors=Actors(ACTORS), tracer=OFF)
    consumer = CommandConsumer(
        api.broker,
        service,
        source=EXTERNAL_URL,
        reply_queues=ReplyQueues(f"{_ANSWERS}, gone"),
        metrics=CommandMetrics(registry),
    )
    tasks = [asyncio.create_task(consumer.run()) for _ in range(consumers)]
    try:
        async with api.broker.consume(_ANSWERS, prefetch=10) as answers:
            yield Forge(api, answers, registry)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await announcer.close(within=MINUTE)
