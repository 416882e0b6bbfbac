"""Imports an archive and exports the project by queue, with aio-pika, in structured mode.

All that it knows of Crossdock is its AsyncAPI document. It prints the events that ended the two jobs.

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
        self.ends: dict[int, asyncio.Future[Any]] = {}
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

    async def end(self, job: int) -> Any:
        """Wait for the end of a job, and give its event."""
        return await asyncio.wait_for(self._end_of(job), PATIENCE)

    def _end_of(self, job: int) -> asyncio.Future[Any]:
        return self.ends.setdefault(job, asyncio.get_running_loop().create_future())

    async def _answered(self, message: AbstractIncomingMessage) -> None:
        self.answers[message.correlation_id or ""].set_result(json.loads(message.body))

    async def _ended(self, message: AbstractIncomingMessage) -> None:
        data = json.loads(message.body)
        end = self._end_of(data["job"]["id"])
        if not end.done():  # an event may come twice
            happening = str(message.headers["cloudEvents_type"]).split(".")[-2]
            end.set_result(
                {"happening": happening, "subject": message.headers["cloudEvents_subject"], **data}
            )


@asynccontextmanager
async def connected(document: Any, broker: str, *, actor: str) -> AsyncIterator[Crossdock]:
    """Connect while the block is open."""
    async with await aio_pika.connect(broker) as connection, connection.channel() as channel:
        crossdock = Crossdock(document, channel, user=urlsplit(broker).username or "guest", actor=actor)
        await crossdock.open()
        yield crossdock


async def import_and_export(document: Any, broker: str, wanted: Any) -> list[Any]:
    """Give both ends."""
    async with connected(document, broker, actor=wanted["actor"]) as crossdock:
        imported = await crossdock.command(
            "importRequested", {"path": wanted["path"], "source": wanted["source"]}
        )
        told = [await crossdock.end(imported["job"]["id"])]
        exported = await crossdock.command(
            "exportRequested", {"project": imported["project"]["id"], "upload": wanted["upload"]}
        )
        return [*told, await crossdock.end(exported["job"]["id"])]


def main() -> None:
    """Import, export, and print both ends."""
    with urllib.request.urlopen(sys.argv[1]) as answer:  # noqa: S310  # its user's own address
        document = json.load(answer)
    told = asyncio.run(import_and_export(document, sys.argv[2], json.loads(sys.argv[3])))
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
