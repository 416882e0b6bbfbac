"""What is said of a webhook by who makes or changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.api.http import parameters
from services.api.http.parameters import Checker
from shared.jobs.models import JobKind
from shared.projects.rules import LONGEST_DESCRIPTION
from shared.usecases.webhooks import WebhookFields
from shared.webhooks import signing

LONGEST_URL = 2048

_MOVES = ("queued", "started", "retried", "finished", "failed", "canceled")
DEFAULT_EVENTS = tuple(f"*.{move}" for move in _MOVES)
"""Every move of every job, and no progress."""

_KINDS = ("*", *(kind.value for kind in JobKind))
EVENTS = frozenset(
    {"*", *(f"{kind}.{told}" for kind in _KINDS for told in ("*", "progress", *_MOVES))} - {"*.*"}
)
_MOST_EVENTS = 50


def read(given: Mapping[str, object], *, is_new: bool) -> WebhookFields:
    """Read and check it, but for where the URL leads. Raises ParametersInvalid."""
    checker = Checker(given)
    if is_new:
        checker.require("url")
    url, description = checker.text("url"), checker.text("description")
    if url is not None and not 0 < len(url) <= LONGEST_URL:
        checker.problem("url", f"must have 1 to {LONGEST_URL} characters")
    if len(description or "") > LONGEST_DESCRIPTION:
        checker.problem("description", f"is too long (maximum is {LONGEST_DESCRIPTION} characters)")
    fields = WebhookFields(
        url=url,
        events=_events(checker, given.get("events")),
        description=description,
        enabled=checker.boolean("enabled"),
        secret=_secret(checker),
    )
    checker.finish()
    return fields


def read_secret(given: Mapping[str, object]) -> bytes | None:
    """Read the secret alone. Raises ParametersInvalid."""
    checker = Checker(given)
    secret = _secret(checker)
    checker.finish()
    return secret


def _secret(checker: Checker) -> bytes | None:
    text = checker.text("secret")
    secret = None if text is None else signing.read(text)
    if text is not None and secret is None:
        size = f"{signing.SHORTEST_SECRET} to {signing.LONGEST_SECRET} bytes"
        checker.problem("secret", f"must be {size} in Base64, after whsec_")
    return secret


def _events(checker: Checker, value: object) -> Sequence[str] | None:
    """Read a list, or names with commas between them."""
    if value is None:
        return None
    given = value if isinstance(value, list) else str(value).split(",")
    names = {(parameters.text(each) or "").strip() for each in given[: _MOST_EVENTS + 1]}
    if not names or len(given) > _MOST_EVENTS:
        checker.problem("events", f"must have 1 to {_MOST_EVENTS} names")
    elif unknown := sorted(names - EVENTS):
        checker.problem("events", f"has unknown names: {', '.join(map(repr, unknown))[:200]}")
    return sorted(names)
