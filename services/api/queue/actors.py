"""Decides for which users the broker's users may send commands."""

from __future__ import annotations

from collections import defaultdict

from services.api.http.errors import ParametersInvalid
from shared.accounts.errors import UserBlocked
from shared.accounts.models import User
from shared.accounts.users import find_user
from shared.database.pool import Database
from shared.errors import Denied
from shared.usecases.errors import NotFound

_EVERYBODY = "*"


class Actors:
    """The permissions of the setting ``command_actors``, for example ``forge=ann,forge=bob,ci=*``."""

    def __init__(self, setting: str) -> None:
        self._allowed: dict[str, set[str]] = defaultdict(set)
        for pair in filter(None, map(str.strip, setting.split(","))):
            sender, _, actor = pair.partition("=")
            self._allowed[sender.strip()].add(actor.strip().lower())

    async def find(self, db: Database, name: str | None, *, sender: str | None) -> User:
        """Return the user with this name, for whom ``sender`` has sent a command.

        ``sender`` is a user of the broker: RabbitMQ refuses a ``user_id`` that is not the connection's own.

        Raises ParametersInvalid, Denied, NotFound and UserBlocked.
        """
        if not name:
            raise ParametersInvalid("actor is missing")
        if sender is None:
            raise Denied("the message has no user_id")
        if not self._allowed.get(sender, set()) & {_EVERYBODY, name.lower()}:
            raise Denied(f"{sender} may not send commands for {name}")
        user = await find_user(db, name)
        if user is None:
            raise NotFound(f"User with ID or username '{name}'")
        if user.blocked:
            raise UserBlocked
        return user
