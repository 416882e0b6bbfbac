"""Imports an archive and exports the project by queue, with pika.

All that it knows of Crossdock is its AsyncAPI document. It prints the events that ended the
three jobs: the import, the export, and the upload of its archive.

    python queue_pika.py http://localhost:8080/api/asyncapi.json amqp://forge:...@localhost/ \
        '{"actor": "ann", "path": "project", "source": {"url": "https://..."}, "upload": {"url": "https://..."}}'
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pika

SOURCE = "https://forge.example.com"
ENDS = ("finished", "failed", "canceled")
PATIENCE = 120


def resolved(document: Any, part: Any) -> Any:
    """Follow a reference of the document."""
    while "$ref" in part:
        path = part["$ref"].removeprefix("#/").split("/")
        part = document
        for name in path:
            part = part[name]
    return part


class Crossdock:
    """Sends commands and hears of what comes of them."""

    def __init__(self, document: Any, broker: str, actor: str) -> None:
        self.document = document
        self.actor = actor
        parameters = pika.URLParameters(broker)
        self.user = parameters.credentials.username
        self.channel = pika.BlockingConnection(parameters).channel()
        self.channel.confirm_delivery()
        self.answers = self.channel.queue_declare("", exclusive=True).method.queue
        self.events = self.channel.queue_declare("", exclusive=True).method.queue
        described = document["channels"]["events"]
        exchange = described["bindings"]["amqp"]["exchange"]
        self.channel.exchange_declare(exchange["name"], exchange["type"], durable=exchange["durable"])
        for kind in described["parameters"]["kind"]["enum"]:
            key = described["address"].replace("{kind}", kind).replace("{happening}", "*")
            self.channel.queue_bind(self.events, exchange["name"], key)

    def command(self, name: str, data: Any) -> Any:
        """Send a command in binary mode, and give the data of its answer."""
        described = self.document["channels"][name]
        message = resolved(self.document, described["messages"]["binary"])
        (kind,) = (part for part in message["headers"]["allOf"] if "properties" in part)
        number = uuid4().hex
        properties = pika.BasicProperties(
            content_type=message["contentType"],
            headers={
                "cloudEvents_specversion": "1.0",
                "cloudEvents_id": number,
                "cloudEvents_source": SOURCE,
                "cloudEvents_type": kind["properties"]["cloudEvents_type"]["const"],
                "cloudEvents_actor": self.actor,
            },
            correlation_id=number,
            reply_to=self.answers,
            user_id=self.user,
            delivery_mode=2,
        )
        exchange = described["bindings"]["amqp"]["exchange"]["name"]
        self.channel.basic_publish(
            exchange, described["address"], json.dumps(data).encode(), properties, mandatory=True
        )
        return next(each for given, each in self.arriving(self.answers) if given.correlation_id == number)

    def end(self, job: int, *, named_by: str = "id") -> Any:
        """Wait for the end of a job, or of its upload, which names it as its parent, and give its event."""
        for properties, data in self.arriving(self.events):
            happening = properties.headers["cloudEvents_type"].split(".")[-2]
            if data["job"][named_by] == job and happening in ENDS:
                return {"happening": happening, "subject": properties.headers["cloudEvents_subject"], **data}
        raise AssertionError  # arriving raises first

    def arriving(self, queue: str) -> Iterator[tuple[pika.BasicProperties, Any]]:
        """Give what arrives. Raises TimeoutError when nothing does."""
        try:
            for method, properties, body in self.channel.consume(queue, inactivity_timeout=PATIENCE):
                if method is None:
                    raise TimeoutError(f"nothing arrived for {PATIENCE} seconds")
                self.channel.basic_ack(method.delivery_tag)
                yield properties, json.loads(body)
        finally:
            self.channel.cancel()  # what was read ahead goes back into its queue


def main() -> None:
    """Import, export, and print all ends."""
    with urllib.request.urlopen(sys.argv[1]) as answer:  # noqa: S310  # its user's own address
        document = json.load(answer)
    wanted = json.loads(sys.argv[3])
    crossdock = Crossdock(document, sys.argv[2], wanted["actor"])
    imported = crossdock.command("importRequested", {"path": wanted["path"], "source": wanted["source"]})
    told = [crossdock.end(imported["job"]["id"])]
    exported = crossdock.command(
        "exportRequested", {"project": imported["project"]["id"], "upload": wanted["upload"]}
    )
    told += [crossdock.end(exported["job"]["id"], named_by=name) for name in ("id", "parent_id")]
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
