"""Events as other systems get them: CloudEvents 1.0, as JSON or as AMQP messages; commands are read too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from shared.broker.base import Message
from shared.errors import CrossdockError, Fault
from shared.events.models import Event

STRUCTURED = "application/cloudevents+json"
JSON = "application/json"

_WRITTEN_PREFIX = "cloudEvents_"
_PREFIXES = (_WRITTEN_PREFIX, "cloudEvents:", "ce-")
"""The prefixes of the AMQP binding, and that of RabbitMQ's own tools."""

_TYPE_PREFIX = "com.crossdock."
_TYPE_VERSION = ".v1"
_DIGITS = 19

_VERSION = "1.0"
_REQUIRED = ("specversion", "id", "source", "type")
_NAME = re.compile(r"[a-z0-9]{1,64}")
_LONGEST = 1000
_LONGEST_KEY = 255
"""Bytes of id and source, which together identify an event: as many as a short string of AMQP has."""
_IS_JSON = re.compile(r"[\w.+-]+/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


class NoCloudEvent(CrossdockError):
    """The message is no valid CloudEvent, and why."""

    code = "no_cloud_event"
    fault = Fault.CLIENT


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event or command; ``extensions`` are the attributes that the standard does not define."""

    id: str
    source: str
    type: str
    data: Mapping[str, object]
    subject: str | None = None
    time: datetime | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)

    def attributes(self) -> dict[str, str]:
        """Give the attributes that are set, by the standard's names, without the type of the data."""
        standard = {
            "specversion": _VERSION, "id": self.id, "source": self.source, "type": self.type,
            "subject": self.subject, "time": None if self.time is None else _timestamp(self.time),
        }  # fmt: skip
        return {name: value for name, value in standard.items() if value} | dict(self.extensions)


def type_of(name: str) -> str:
    """Give the type of an event with this name (``import.finished``): with our prefix, and a version."""
    return f"{_TYPE_PREFIX}{name}{_TYPE_VERSION}"


def name_of(kind: str) -> str | None:
    """Give the name of an event with this type; None where the type is none of ours."""
    if kind.startswith(_TYPE_PREFIX) and kind.endswith(_TYPE_VERSION):
        return kind.removeprefix(_TYPE_PREFIX).removesuffix(_TYPE_VERSION)
    return None


def cloud_event(event: Event, *, source: str) -> CloudEvent:
    """Make a CloudEvent. ``sequence`` (CloudEvents' extension) sorts the events of one job, as a text too."""
    extensions = {"correlationid": event.correlation_id, "sequence": f"{event.id:0{_DIGITS}}"}
    if event.traceparent:
        extensions["traceparent"] = event.traceparent
    return CloudEvent(
        id=f"{event.id}.{event.created_at.timestamp():.3f}" if event.is_live else str(event.id),
        source=source,
        type=type_of(event.name),
        subject=event.subject or None,
        time=event.created_at,
        data=event.data,
        extensions=extensions,
    )


def to_message(event: CloudEvent, *, correlation_id: str | None) -> Message:
    """Write an event in binary mode: the body is the data."""
    return Message(
        msgspec.json.encode(event.data),
        event.id,
        correlation_id,
        content_type=JSON,
        headers={f"{_WRITTEN_PREFIX}{name}": value for name, value in event.attributes().items()},
    )


def to_json_object(event: CloudEvent) -> dict[str, object]:
    """Write an event as one JSON object."""
    return {**event.attributes(), "datacontenttype": JSON, "data": event.data}


def read(message: Message) -> CloudEvent:
    """Read a message in either mode. Raises NoCloudEvent."""
    if (message.content_type or "").lower().startswith("application/cloudevents"):
        return _structured_event(message)
    attributes = {
        name.removeprefix(prefix): value
        for name, value in message.headers.items()
        for prefix in _PREFIXES
        if name.startswith(prefix)
    }
    return _event(attributes, message.body, content_type=message.content_type)


def _structured_event(message: Message) -> CloudEvent:
    content = _object(message.body, "the body")
    data = content.pop("data", None)
    content_type = str(content.pop("datacontenttype", JSON))
    if not isinstance(data, dict):
        raise NoCloudEvent("data is missing or no JSON object")
    attributes = {name: _text(name, value) for name, value in content.items() if value is not None}
    return _event(attributes, msgspec.json.encode(data), content_type=content_type)


def _event(attributes: Mapping[str, str], data: bytes, *, content_type: str | None) -> CloudEvent:
    _check(attributes, content_type)
    given = dict(attributes)
    time = given.pop("time", None)
    standard = {name: given.pop(name) for name in ("id", "source", "type")}
    given.pop("specversion")
    return CloudEvent(
        **standard,
        data=_object(data, "data"),
        subject=given.pop("subject", None),
        time=None if time is None else _moment(time),
        extensions=given,
    )


def _check(attributes: Mapping[str, str], content_type: str | None) -> None:
    missing = [name for name in _REQUIRED if not attributes.get(name)]
    if missing:
        raise NoCloudEvent(f"{', '.join(missing)} is missing")
    if attributes["specversion"] != _VERSION:
        raise NoCloudEvent(f"specversion has to be {_VERSION}")
    if not _IS_JSON.fullmatch(content_type or JSON):
        raise NoCloudEvent(f"datacontenttype has to be {JSON}")
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise NoCloudEvent(f"{name[:_LONGEST]!r} is no name of an attribute")
        longest = _LONGEST_KEY if name in _REQUIRED else _LONGEST
        if len(value.encode()) > longest:
            raise NoCloudEvent(f"{name} has more than {longest} bytes")
        if "\0" in value:
            raise NoCloudEvent(f"{name} has a NUL")


def _object(data: bytes, what: str) -> dict[str, object]:
    try:
        content = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NoCloudEvent(f"{what} is not valid JSON") from None
    if not isinstance(content, dict):
        raise NoCloudEvent(f"{what} is no JSON object")
    return content


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int)):
        return str(value)
    raise NoCloudEvent(f"{name} is no text")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoCloudEvent("time is no time (RFC 3339)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
