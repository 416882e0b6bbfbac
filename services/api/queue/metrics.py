"""Metrics of commands, by result."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter


class CommandEnd(StrEnum):
    """The result of one delivery of a command. A command that was ``GIVEN_BACK`` is delivered again."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GIVEN_BACK = "given_back"


class CommandMetrics:
    """Counts commands. Without a registry it makes one of its own. Methods neither raise nor block."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._commands = Counter(
            "crossdock_commands", "Commands of other systems, by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip
        for end in CommandEnd:  # start at 0: an alert does not see an increase if a counter starts at 1
            self._commands.labels(end.value)

    def count_end(self, end: CommandEnd) -> None:
        """Count a delivery that was acknowledged, rejected or requeued."""
        self._commands.labels(end.value).inc()
