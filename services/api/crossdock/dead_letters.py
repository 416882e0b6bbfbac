"""Dead letters of the queues, for administrators."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.parameters import ParameterReader
from services.api.http.responses import json_response
from shared.broker.base import DeadLetter
from shared.usecases.dead_letters import QUEUES, DeadLetters

DEAD_LETTERS = web.AppKey("dead_letters", DeadLetters)
_LONGEST_BODY = 2000
"""The number of characters of a message that are shown."""


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/system/dead-letters: 100 at most."""
    reader = ParameterReader(request.query)
    queue = reader.choice("queue", QUEUES)
    reader.finish()
    queues = QUEUES if queue is None else [queue]
    found = await request.app[DEAD_LETTERS].list(find_caller(request), queues)
    letters = [_entity(each) for each in found.letters]
    return json_response({"dead_letters": letters, "partial": found.is_partial})


async def replay(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/system/dead-letters/replay: those of a queue, or one of them."""
    queue, message_id = await _chosen(request)
    letters = request.app[DEAD_LETTERS]
    return json_response(
        {"replayed": await letters.replay(find_caller(request), queue, message_id=message_id)}
    )


async def discard(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/system/dead-letters/discard: those of a queue, or one of them."""
    queue, message_id = await _chosen(request)
    letters = request.app[DEAD_LETTERS]
    done = await letters.discard(find_caller(request), queue, message_id=message_id)
    return json_response({"discarded": done})


async def _chosen(request: web.Request) -> tuple[str, str | None]:
    """Read the queue, and the id of a message if there is one. Raises ParametersInvalid."""
    reader = ParameterReader(await parameters(request))
    reader.require("queue")
    queue, message_id = reader.choice("queue", QUEUES), reader.text("id")
    reader.finish()
    return queue or "", message_id or None


def _entity(letter: DeadLetter) -> Mapping[str, object]:
    body = letter.message.body
    return {
        "queue": letter.queue,
        "id": letter.message.message_id,
        "reason": letter.reason,
        "size": len(body),
        "body": body[: 4 * _LONGEST_BODY].decode(errors="replace")[:_LONGEST_BODY],
    }
