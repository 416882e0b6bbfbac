from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from shared.accounts.limits import TooManyGroups, TooManyTokens
from shared.accounts.models import Scope, User
from shared.accounts.tokens import revoke_token_by_id
from shared.gitlab.visibility import Visibility
from shared.usecases.groups import GroupRequest, Groups
from shared.usecases.tokens import TokenRequest, Tokens
from tests.support.api import Api


def _token(expires_at: datetime | None = None) -> TokenRequest:
    return TokenRequest(name="t", scopes=(Scope.API,), expires_at=expires_at)


def _group(path: str) -> GroupRequest:
    return GroupRequest(name=path, path=path, description="", parent_id=None, visibility=Visibility.PRIVATE)


async def _tokens(api: Api, user: User) -> int:
    count: int = await api.pool.fetchval("SELECT count(*) FROM tokens WHERE user_id = $1", user.id)
    return count


async def test_a_user_has_a_limited_number_of_valid_tokens(api: Api, ann: User) -> None:
    tokens, bob = Tokens(api.pool, api.uses.tokens._lookup, limit=2), await api.user("bob")
    made = await tokens.create(ann, _token())  # beside that of the fixture
    with pytest.raises(TooManyTokens):
        await tokens.create(ann, _token())
    await tokens.create(bob, _token())
    await revoke_token_by_id(api.pool, made.token.id)
    await tokens.create(ann, _token())


async def test_the_oldest_tokens_that_have_ended_go_when_there_are_as_many_as_the_limit(
    api: Api, ann: User
) -> None:
    tokens = Tokens(api.pool, api.uses.tokens._lookup, limit=3)
    ended = [await tokens.create(ann, _token(datetime(2020, 1, 1, tzinfo=UTC))) for _ in range(5)]
    await tokens.create(ann, _token())
    left = await api.pool.fetch("SELECT id FROM tokens WHERE user_id = $1 AND expires_at < now()", ann.id)
    assert sorted(row["id"] for row in left) == [each.token.id for each in ended[-3:]]
    assert await _tokens(api, ann) == 3 + 2


async def test_a_user_owns_a_limited_number_of_groups(api: Api, ann: User) -> None:
    groups = Groups(api.pool, limit=2)
    results = await asyncio.gather(
        *(groups.create(ann, _group(f"g{number}")) for number in range(6)), return_exceptions=True
    )
    assert sum(isinstance(each, TooManyGroups) for each in results) == 4
    assert await api.pool.fetchval("SELECT count(*) FROM namespaces WHERE kind = 'group'") == 2
