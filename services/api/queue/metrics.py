"""Commands in numbers: what became of each."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter


class CommandEnd(StrEnum):
    """What became of one hand-over of a command; ``GIVEN_BACK`` comes again."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GIVEN_BACK = "given_back"


class CommandMetrics:
    """Counts commands. Without a registry it counts into one of its own. No method raises or waits."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._commands = Counter(
            "crossdock_commands", "Commands of other systems, by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip
        for end in CommandEnd:  # a counter that begins at one has not increased, to an alert
            self._commands.labels(end.value)

    def ended(self, end: CommandEnd) -> None:
        """Count a hand-over that is over, which the broker knows."""
        self._commands.labels(end.value).inc()
