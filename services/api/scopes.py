"""Which scopes a token needs for a route: one of those that are accepted."""

from __future__ import annotations

from collections.abc import Sequence

from services.api.gitlab import instance, personal_access_tokens, users
from shared.accounts.models import Scope

_OF_USERS = frozenset({instance.user, users.index, users.show})
_OF_THE_TOKEN_ITSELF = frozenset({personal_access_tokens.show_self, personal_access_tokens.revoke_self})


def accepted_scopes(handler: object, *, reading: bool) -> Sequence[Scope]:
    """Give the scopes that a handler's route accepts, for reading or for all else."""
    if handler in _OF_THE_TOKEN_ITSELF:
        return list(Scope)
    more = [Scope.READ_USER] if handler in _OF_USERS else []
    return [*more, Scope.API, Scope.READ_API] if reading else [Scope.API]
