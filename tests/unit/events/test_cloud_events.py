"""CloudEvents as others write and read them: the SDK of its makers judges ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings import amqp, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as Theirs

from shared.broker.base import Message
from shared.events.cloud_events import (
    CloudEvent,
    NoCloudEvent,
    name_of,
    read,
    to_json_object,
    to_message,
    type_of,
)

TIME = datetime(2026, 11, 25, 12, 30, 15, 123456, tzinfo=UTC)
ATTRIBUTES = {
    "id": "1",
    "source": "https://x.test",
    "type": "t",
    "subject": "a/b",
    "time": TIME,
    "actor": "ann",
}
DATA = {"path": "p", "n": [1, None]}
EVENT = CloudEvent(
    id="1", source="https://x.test", type="t", subject="a/b", time=TIME, data=DATA,
    extensions={"actor": "ann"},
)  # fmt: skip


def theirs() -> Theirs:
    return Theirs({**ATTRIBUTES, "datacontenttype": "application/json"}, dict(DATA))


def test_what_we_write_others_read() -> None:
    message = to_message(EVENT, correlation_id="c")
    properties = {"content-type": message.content_type}
    event = amqp.from_amqp(amqp.AMQPMessage(properties, dict(message.headers), message.body), JSONFormat())
    assert event.get_attributes() == theirs().get_attributes()
    assert event.get_data() == DATA


def test_what_we_write_as_one_object_others_read() -> None:
    event = JSONFormat().read(None, json.dumps(to_json_object(EVENT)))
    assert (event.get_attributes(), event.get_data()) == (theirs().get_attributes(), DATA)


def test_what_others_write_in_structured_mode_we_read() -> None:
    written = amqp.to_structured(theirs(), JSONFormat())
    assert (
        read(Message(written.application_data, "m", content_type=written.properties["content-type"])) == EVENT
    )


def test_what_others_write_with_rabbitmq_s_prefix_we_read() -> None:
    written = rabbitmq.to_binary(theirs(), JSONFormat())
    assert (
        read(Message(written.body, "m", content_type=written.content_type, headers=written.headers)) == EVENT
    )


@pytest.mark.parametrize("prefix", ["cloudEvents_", "cloudEvents:"])
def test_both_prefixes_of_amqp_are_read(prefix: str) -> None:
    message = to_message(EVENT, correlation_id=None)
    headers = {name.replace("cloudEvents_", prefix): value for name, value in message.headers.items()}
    assert read(Message(message.body, "m", content_type=message.content_type, headers=headers)) == EVENT


def test_headers_that_are_no_attributes_are_passed_over() -> None:
    message = to_message(EVENT, correlation_id=None)
    headers = {**message.headers, "Some-Header": "x"}
    assert read(Message(message.body, "m", content_type=None, headers=headers)) == EVENT


def test_a_text_that_json_cannot_nest_is_refused() -> None:
    with pytest.raises(NoCloudEvent):
        read(Message(b"[" * 100_000, "m", content_type="application/cloudevents+json"))


def test_a_type_and_its_name_belong_together() -> None:
    assert name_of(type_of("import.finished")) == "import.finished"
    assert name_of("org.example.import.finished.v1") is None
