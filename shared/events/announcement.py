"""How an event is told to other systems."""

from __future__ import annotations

from shared.events.cloud_events import CloudEvent
from shared.events.models import Event

_PREFIX = "com.crossdock."
_VERSION = ".v1"
_DIGITS = 19


def type_of(name: str) -> str:
    """Give the type of what has this name, such as ``import.finished``: with whose it is, and a version."""
    return f"{_PREFIX}{name}{_VERSION}"


def name_of(kind: str) -> str | None:
    """Give the name of what has this type; None where the type is none of ours."""
    if kind.startswith(_PREFIX) and kind.endswith(_VERSION):
        return kind.removeprefix(_PREFIX).removesuffix(_VERSION)
    return None


def cloud_event(event: Event, *, source: str) -> CloudEvent:
    """Make a CloudEvent; ``sequence`` sorts those of one job, as texts too (CloudEvents' extension)."""
    extensions = {"correlationid": event.correlation_id, "sequence": f"{event.id:0{_DIGITS}}"}
    if event.traceparent:
        extensions["traceparent"] = event.traceparent
    return CloudEvent(
        id=str(event.id),
        source=source,
        type=type_of(event.name),
        subject=event.subject or None,
        time=event.created_at,
        data=event.data,
        extensions=extensions,
    )
