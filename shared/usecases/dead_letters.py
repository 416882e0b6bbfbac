"""Dead letters, for administrators: messages that were delivered in vain."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from shared.accounts.models import User
from shared.broker.base import COMMANDS, Broker, DeadLetter, Message
from shared.jobs.models import JobKind
from shared.usecases.access import require_administrator

QUEUES = (*(kind.value for kind in JobKind), COMMANDS)
MOST = 100
"""The number of dead letters that a list has."""


@dataclass(frozen=True, slots=True)
class DeadLetterList:
    """Dead letters, the oldest of each queue first; ``is_partial`` where there are more."""

    letters: Sequence[DeadLetter]
    is_partial: bool


class DeadLetters:
    """Lists, replays and discards dead letters.

    ``without_secrets`` hides what a command has that is not to be shown: one that the broker gave up still
    has all of it.
    """

    def __init__(self, broker: Broker, *, without_secrets: Callable[[Message], Message]) -> None:
        self._broker = broker
        self._without_secrets = without_secrets

    async def list(self, actor: User | None, queues: Sequence[str]) -> DeadLetterList:
        """List dead letters of these queues. Raises Unauthenticated, Denied and BrokerError."""
        require_administrator(actor)
        found: list[DeadLetter] = []
        for queue in queues:
            async with aclosing(self._letters(queue)) as letters:
                async for each in letters:
                    if len(found) == MOST:
                        return DeadLetterList(found, is_partial=True)
                    found.append(each)
        return DeadLetterList(found, is_partial=False)

    async def _letters(self, queue: str) -> AsyncGenerator[DeadLetter, None]:
        async for each in self._broker.dead_letters(queue):
            shown = self._without_secrets(each.message) if queue == COMMANDS else each.message
            yield DeadLetter(shown, queue, each.reason)

    async def replay(self, actor: User | None, queue: str, *, message_id: str | None) -> int:
        """Put dead letters of a queue back into it, all or one; give how many. Raises as ``list``."""
        require_administrator(actor)
        return await self._broker.replay(queue, message_id=message_id)

    async def discard(self, actor: User | None, queue: str, *, message_id: str | None) -> int:
        """Remove dead letters of a queue, all or one; give how many. Raises as ``list``."""
        require_administrator(actor)
        return await self._broker.discard(queue, message_id=message_id)
