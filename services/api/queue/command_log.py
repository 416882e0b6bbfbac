"""The log of executed commands: a repeated message gets the reply and the job of the first one."""

from __future__ import annotations

import hashlib

import msgspec

from services.api.queue.models import Command, CommandResult
from shared.database.pool import Connection, Database
from shared.errors import Unprocessable
from shared.events.cloud_events import CloudEvent


class CommandReused(Unprocessable):
    """A different command with the same id and source was executed before: use a new id."""

    code = "command_reused"

    def __init__(self) -> None:
        super().__init__("a command with the same id and source, but another content, was carried out before")


async def find(db: Database, command: Command) -> CommandResult | None:
    """Return the result of the command if it was executed before. Raises CommandReused for another one."""
    event = command.event
    row = await db.fetchrow(
        "SELECT digest, answer FROM commands WHERE user_id = $1 AND source = $2 AND message_id = $3",
        command.actor.id, event.source, event.id,
    )  # fmt: skip
    if row is None:
        return None
    if row["digest"] != _digest(event):
        raise CommandReused
    return msgspec.convert(row["answer"], CommandResult)


async def begin(db: Connection, command: Command) -> bool:
    """Record that the command is being executed; return False if it was executed before.

    This belongs in the transaction that executes the command, so that a rollback removes the record as well.
    It waits for a transaction that is executing the same command.
    """
    event = command.event
    noted = await db.fetchval(
        """INSERT INTO commands (user_id, source, message_id, digest, answer)
           VALUES ($1, $2, $3, $4, '{}') ON CONFLICT DO NOTHING RETURNING true""",
        command.actor.id, event.source, event.id, _digest(event),
    )  # fmt: skip
    return noted is not None


async def end(db: Connection, command: Command, answer: CommandResult) -> None:
    """Record the result."""
    await db.execute(
        "UPDATE commands SET answer = $4 WHERE user_id = $1 AND source = $2 AND message_id = $3",
        command.actor.id, command.event.source, command.event.id, msgspec.to_builtins(answer),
    )  # fmt: skip


def _digest(event: CloudEvent) -> bytes:
    """Digest the content. The content mode of CloudEvents and the order of keys make no difference."""
    return hashlib.sha256(msgspec.json.encode([event.type, event.data], order="sorted")).digest()
