"""A database that is away, by whatever it says and wherever a connection ends, is known as that."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from itertools import count

import pytest
import stamina
from asyncpg import ReadOnlySQLTransactionError

from services.process.ports import patiently
from shared.database.check import DatabaseDown
from shared.database.migrate import migrate
from shared.database.outages import DATABASE_ERRORS, is_outage
from shared.database.pool import Pool, database, session
from tests.support.cut_postgres import At, Fate, SeveredPostgres, passes, severed

CUTS = [Fate.IS_CUT, Fate.IS_UNKNOWN]
_EVERY_BYTES = 127
_OTHERS = """SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()"""


async def _work(pool: Pool) -> None:
    """Do what services do: a transaction in parts, rows by COPY, a large answer, and a statement alone."""
    async with pool.acquire() as db, db.transaction():
        await db.execute("CREATE TEMPORARY TABLE things (number int, document jsonb) ON COMMIT DROP")
        await db.copy_records_to_table("things", records=[(n, {"n": n}) for n in range(9)])
        async with db.transaction():
            assert len(await db.fetch("SELECT document FROM things WHERE number < $1", 5)) == 5
        async for _ in db.cursor("SELECT generate_series(1, 300)", prefetch=100):
            pass
    await pool.fetchval("SELECT $1::jsonb", {"alone": True})


async def _is_disturbed(pool: Pool) -> bool:
    """Do that, and tell whether the database was away meanwhile."""
    return await _is_away(_work(pool))


async def _is_away(work: Awaitable[object]) -> bool:
    try:
        await work
    except DATABASE_ERRORS as error:
        if not is_outage(error):
            raise
        return True
    return False


async def _goes_on(proxy: SeveredPostgres, pool: Pool) -> None:
    proxy.decide, proxy.answers = passes, None
    await _work(pool)


@pytest.mark.parametrize("fate", CUTS)
async def test_whatever_statement_is_cut_it_is_an_outage_and_the_pool_goes_on(
    database_url: str, fate: Fate
) -> None:
    async with severed(database_url) as proxy, database(proxy.url, size=1) as pool:
        for before in count():
            proxy.decide = at = At(before, fate)
            disturbed = await _is_disturbed(pool)
            await _goes_on(proxy, pool)
            if not at.has_come:
                break
            assert disturbed
        assert before > 9


async def test_after_whatever_bytes_an_answer_is_cut_it_is_an_outage_and_the_pool_goes_on(
    database_url: str,
) -> None:
    async with severed(database_url) as proxy, database(proxy.url, size=1) as pool:
        await _work(pool)
        for answers in count(step=_EVERY_BYTES):
            proxy.answers = answers
            disturbed = await _is_disturbed(pool)
            await _goes_on(proxy, pool)
            if not disturbed:
                break
        assert answers > 9 * _EVERY_BYTES


@pytest.mark.parametrize("answers", range(0, 450, 50))
async def test_a_connection_that_is_cut_while_it_is_made_is_an_outage(
    database_url: str, answers: int
) -> None:
    async with severed(database_url) as proxy:
        proxy.answers = answers
        for connect in (session(proxy.url), database(proxy.url, size=1)):
            with pytest.raises(DATABASE_ERRORS) as raised:
                async with connect:
                    pass
            assert is_outage(raised.value), repr(raised.value)


@pytest.mark.parametrize("sqlstate", ["57P03", "53300", "57P01"], ids=["starting", "full", "stopping"])
async def test_a_server_that_takes_no_connection_now_is_away_and_a_start_waits_for_it(
    database_url: str, sqlstate: str
) -> None:
    async with severed(database_url) as proxy:
        proxy.refuses = [sqlstate] * 2
        with pytest.raises(DATABASE_ERRORS) as raised:
            await migrate(proxy.url)
        assert is_outage(raised.value)
        with stamina.set_testing(True, attempts=3):
            await patiently(partial(migrate, proxy.url))
            assert proxy.refuses == []
            proxy.refuses = [sqlstate] * 3
            with pytest.raises(DatabaseDown):
                await patiently(partial(migrate, proxy.url))


async def test_a_start_does_not_repeat_a_statement_that_is_wrong(database_url: str) -> None:
    asked = []
    async with database(database_url) as pool:

        async def wrong() -> None:
            asked.append(1)
            await pool.execute("SELECT nothing")

        with pytest.raises(DATABASE_ERRORS, match="nothing"):
            await patiently(wrong)
    assert len(asked) == 1


async def test_a_connection_to_a_server_that_is_in_charge_no_more_is_not_used_again(
    database_url: str,
) -> None:
    async with database(database_url, size=1) as pool, database(database_url, size=1) as operator:
        await pool.execute("CREATE TABLE things ()")
        name = await operator.fetchval("SELECT current_database()")
        await operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await operator.fetchval(_OTHERS)
        with pytest.raises(DATABASE_ERRORS):  # its connection is gone
            await pool.execute("INSERT INTO things DEFAULT VALUES")
        with pytest.raises(ReadOnlySQLTransactionError) as read_only:
            await pool.execute("INSERT INTO things DEFAULT VALUES")
        assert is_outage(read_only.value)
        await operator.execute(
            f"BEGIN; SET LOCAL transaction_read_only = off; "
            f"ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
        )
        await pool.execute("INSERT INTO things DEFAULT VALUES")


async def test_a_connection_that_the_server_ends_while_it_lies_in_the_pool_costs_one_statement_at_most(
    database_url: str,
) -> None:
    async with database(database_url, size=3) as pool, database(database_url, size=1) as operator:
        for _ in range(5):
            await operator.fetchval(_OTHERS)
            away = [await _is_away(pool.fetchval("SELECT 1")) for _ in range(2)]
            assert away[1] is False
