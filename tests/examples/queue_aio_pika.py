"""Imports an archive and exports the project by queue, with aio-pika, in structured mode.

All that it knows of Crossdock is its AsyncAPI document. It prints the events that ended the
three jobs: the import, the export, and the upload of its archive.

    python queue_aio_pika.py http://localhost:8080/api/asyncapi.json amqp://forge:...@localhost/ \
        '{"actor": "ann", "path": "project", "source": {"key": "incoming/forge/..."}, "upload": {"url": "https://..."}}'
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

SOURCE = "https://forge.example.com"
ENDS = ("finished", "failed", "canceled")
PATIENCE = 120


class Crossdock:
    """Sends commands and hears of what comes of them."""

    def __init__(self, document: Any, channel: AbstractChannel, *, user: str, actor: str) -> None:
        self.document = document
        self.channel = channel
        self.user = user
        self.actor = actor
        self.answers: dict[str, asyncio.Future[Any]] = {}
        self.ends: dict[tuple[str, int], asyncio.Future[Any]] = {}
        self.reply_to = ""

    async def open(self) -> None:
        """Listen to answers and to the events that end a job."""
        answers: AbstractQueue = await self.channel.declare_queue(exclusive=True)
        self.reply_to = answers.name
        await answers.consume(self._answered, no_ack=True)
        described = self.document["channels"]["events"]
        exchange = await self._exchange(described)
        events = await self.channel.declare_queue(exclusive=True)
        for end in ENDS:
            await events.bind(
                exchange, described["address"].replace("{kind}", "*").replace("{happening}", end)
            )
        await events.consume(self._ended, no_ack=True)

    async def _exchange(self, described: Any) -> aio_pika.abc.AbstractExchange:
        found = described["bindings"]["amqp"]["exchange"]
        return await self.channel.get_exchange(found["name"])

    async def command(self, name: str, data: Any) -> Any:
        """Send a command in structured mode, and give the data of its answer."""
        described = self.document["channels"][name]
        path = described["messages"]["structured"]["$ref"].removeprefix("#/").split("/")
        message = self.document
        for step in path:
            message = message[step]
        (kind,) = (part for part in message["payload"]["allOf"] if "properties" in part)
        number = uuid4().hex
        event = {
            "specversion": "1.0",
            "id": number,
            "source": SOURCE,
            "type": kind["properties"]["type"]["const"],
            "actor": self.actor,
            "data": data,
        }
        self.answers[number] = asyncio.get_running_loop().create_future()
        exchange = await self._exchange(described)
        await exchange.publish(
            aio_pika.Message(
                json.dumps(event).encode(),
                content_type=message["contentType"],
                correlation_id=number,
                reply_to=self.reply_to,
                user_id=self.user,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            ),
            described["address"],
        )
        return await asyncio.wait_for(self.answers[number], PATIENCE)

    async def end(self, job: int, *, named_by: str = "id") -> Any:
        """Wait for the end of a job, or of its upload, which names it as its parent, and give its event."""
        return await asyncio.wait_for(self._end_of(named_by, job), PATIENCE)

    def _end_of(self, named_by: str, job: int) -> asyncio.Future[Any]:
        return self.ends.setdefault((named_by, job), asyncio.get_running_loop().create_future())

    async def _answered(self, message: AbstractIncomingMessage) -> None:
        self.answers[message.correlation_id or ""].set_result(json.loads(message.body))

    async def _ended(self, message: AbstractIncomingMessage) -> None:
        data = json.loads(message.body)
        happening = str(message.headers["cloudEvents_type"]).split(".")[-2]
        event = {"happening": happening, "subject": message.headers["cloudEvents_subject"], **data}
        for named_by in ("id", "parent_id"):
            end = self._end_of(named_by, data["job"][named_by])
            if not end.done():  # an event may come twice
                end.set_result(event)


@asynccontextmanager
async def connected(document: Any, broker: str, *, actor: str) -> AsyncIterator[Crossdock]:
    """Connect while the block is open."""
    async with await aio_pika.connect(broker) as connection, connection.channel() as channel:
        crossdock = Crossdock(document, channel, user=urlsplit(broker).username or "guest", actor=actor)
        await crossdock.open()
        yield crossdock


async def import_and_export(document: Any, broker: str, wanted: Any) -> list[Any]:
    """Give all ends."""
    async with connected(document, broker, actor=wanted["actor"]) as crossdock:
        imported = await crossdock.command(
            "importRequested", {"path": wanted["path"], "source": wanted["source"]}
        )
        told = [await crossdock.end(imported["job"]["id"])]
        exported = await crossdock.command(
            "exportRequested", {"project": imported["project"]["id"], "upload": wanted["upload"]}
        )
        ended = [await crossdock.end(exported["job"]["id"], named_by=name) for name in ("id", "parent_id")]
        return [*told, *ended]


def main() -> None:
    """Import, export, and print all ends."""
    with urllib.request.urlopen(sys.argv[1]) as answer:  # noqa: S310  # its user's own address
        document = json.load(answer)
    told = asyncio.run(import_and_export(document, sys.argv[2], json.loads(sys.argv[3])))
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
