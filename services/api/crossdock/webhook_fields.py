"""Parses requests that create or change a webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.api.http import parameters
from services.api.http.parameters import ParameterReader
from shared.jobs.models import JobKind
from shared.projects.rules import LONGEST_DESCRIPTION
from shared.usecases.webhooks import WebhookFields
from shared.webhooks import signing

LONGEST_URL = 2048

_MOVES = ("queued", "started", "retried", "finished", "failed", "canceled")
DEFAULT_EVENTS = tuple(f"*.{move}" for move in _MOVES)
"""All events of all jobs but progress."""

_KINDS = tuple(dict.fromkeys(("*", "run", *(kind.shown for kind in JobKind))))
EVENTS = frozenset(
    {"*", *(f"{kind}.{move}" for kind in _KINDS for move in ("*", "progress", *_MOVES))} - {"*.*"}
)
MOST_EVENTS = 50
_KNOWN = (
    f"known are *, and KIND.MOVE with KIND of {', '.join(_KINDS)}"
    f" and MOVE of {', '.join(('*', 'progress', *_MOVES))}"
)


def read(given: Mapping[str, object], *, is_new: bool) -> WebhookFields:
    """Read and check the fields, but not whether the URL is permitted. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    if is_new:
        reader.require("url")
    url, description = reader.text("url"), reader.text("description")
    if url is not None and not 0 < len(url) <= LONGEST_URL:
        reader.problem("url", f"must have 1 to {LONGEST_URL} characters")
    if len(description or "") > LONGEST_DESCRIPTION:
        reader.problem("description", f"is too long (maximum is {LONGEST_DESCRIPTION} characters)")
    fields = WebhookFields(
        url=url,
        events=_events(reader, given.get("events")),
        description=description,
        enabled=reader.boolean("enabled"),
        secret=_secret(reader),
    )
    reader.finish()
    return fields


def read_secret(given: Mapping[str, object]) -> bytes | None:
    """Read only the secret. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    secret = _secret(reader)
    reader.finish()
    return secret


def _secret(reader: ParameterReader) -> bytes | None:
    text = reader.text("secret")
    secret = None if text is None else signing.read_secret(text)
    if text is not None and secret is None:
        size = f"{signing.SHORTEST_SECRET} to {signing.LONGEST_SECRET} bytes"
        reader.problem("secret", f"must be {size} in Base64, after whsec_")
    return secret


def _events(reader: ParameterReader, value: object) -> Sequence[str] | None:
    """Read a list of names, or one text with commas between them."""
    if value is None:
        return None
    given = value if isinstance(value, list) else str(value).split(",")
    names = {(parameters.text(each) or "").strip() for each in given[: MOST_EVENTS + 1]}
    if not names or len(given) > MOST_EVENTS:
        reader.problem("events", f"must have 1 to {MOST_EVENTS} names")
    elif unknown := sorted(names - EVENTS):
        reader.problem("events", f"has unknown names: {', '.join(map(repr, unknown))[:200]}; {_KNOWN}")
    return sorted(names)
