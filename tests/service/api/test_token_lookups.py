from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.accounts.models import AccessToken
from shared.accounts.tokens import create_token, digest, find_by_token
from shared.accounts.users import create_user
from shared.admission import Holder, PlaceRules, Places
from shared.database.pool import Database, Pool
from shared.usecases import token_lookup
from shared.usecases.token_lookup import TokenLookup, TokenMemory
from tests.support.jobs import migrated

HERE = "192.0.2.1"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens for which Postgres was asked."""
    texts: list[str] = []

    async def noted(db: Database, text: str) -> AccessToken | None:
        texts.append(text)
        return await find_by_token(db, text)

    monkeypatch.setattr(token_lookup, "find_by_token", noted)
    return texts


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _places(total: int = 4) -> Places:
    return Places(PlaceRules(waiting=1000, waiting_each=1000).limits("token_lookups", total))


async def _token(pool: Pool) -> str:
    user = await create_user(pool, "eve", name="Eve")
    return await create_token(pool, user.id, name="t")


async def test_an_unknown_token_costs_one_query_in_its_time(pool: Pool, asked: list[str]) -> None:
    clock = Clock()
    lookup = TokenLookup(pool, _places(), memory=TokenMemory(lasts=timedelta(minutes=1)), clock=clock)
    for _ in range(3):
        assert await lookup.find("wrong", address=HERE) is None
    assert asked == ["wrong"]
    clock.now += 60
    assert await lookup.find("wrong", address=HERE) is None
    assert asked == ["wrong"] * 2


async def test_a_token_that_is_known_is_looked_up_each_time(pool: Pool, asked: list[str]) -> None:
    token = await _token(pool)
    lookup = TokenLookup(pool, _places(), memory=TokenMemory())
    assert await lookup.find(token, address=HERE) is not None
    await pool.execute("DELETE FROM users WHERE username = 'eve'")
    assert await lookup.find(token, address=HERE) is None
    assert asked == [token] * 2


async def test_the_oldest_of_too_many_unknown_tokens_is_forgotten(pool: Pool, asked: list[str]) -> None:
    lookup = TokenLookup(pool, _places(), memory=TokenMemory(most=2))
    for text in ("a", "b", "c", "b", "c", "a"):
        await lookup.find(text, address=HERE)
    assert asked == ["a", "b", "c", "a"]


async def test_a_flood_of_unknown_tokens_refuses_no_good_one_from_the_same_address(
    pool: Pool, asked: list[str]
) -> None:
    token = await _token(pool)
    lookup = TokenLookup(pool, _places(), memory=TokenMemory())
    flood = [asyncio.create_task(lookup.find(f"wrong{number}", address=HERE)) for number in range(61)]
    async with asyncio.timeout(20):
        assert await lookup.find(token, address=HERE) is not None
        assert await asyncio.gather(*flood) == [None] * 61
    assert len(asked) == 62


async def test_a_good_token_waits_for_no_unknown_one(pool: Pool) -> None:
    token, places = await _token(pool), _places()
    lookup = TokenLookup(pool, places, memory=TokenMemory())
    await lookup.find(token, address=HERE)
    await places.take(Holder.of_address(HERE))
    wrong = asyncio.create_task(lookup.find("wrong", address=HERE))
    async with asyncio.timeout(20):
        assert await lookup.find(token, address=HERE) is not None
    assert (wrong.done(), places.waiting) == (False, 1)
    places.release(Holder.of_address(HERE))
    assert await wrong is None
    assert digest("wrong") in lookup._unknown
