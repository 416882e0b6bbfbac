"""When runs start: once for each time, whoever looks, and once for all that was missed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from shared.database.pool import database
from shared.schedules import runs
from shared.schedules.models import RunCause, RunState
from tests.support.vault import Vault, refusal

LONG_AGO = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=10)
HOUR = timedelta(hours=1)


async def due(vault: Vault, at: datetime) -> int:
    """A schedule of every hour that has been due since then."""
    schedule = await vault.new_schedule(cron="0 * * * *")
    await vault.api.pool.execute("UPDATE schedules SET next_run_at = $1", at)
    return schedule


async def test_what_is_due_is_started_once_by_however_many(vault: Vault, database_url: str) -> None:
    schedule = await due(vault, datetime.now(UTC).replace(second=0, microsecond=0))
    async with database(database_url, size=8) as other:
        started = await asyncio.gather(*(runs.start_due(pool) for pool in [vault.api.pool, other] * 8))
    assert [each.schedule_id for each in started if each is not None] == [schedule]
    assert await vault.api.pool.fetchval("SELECT count(*) FROM schedule_runs") == 1


async def test_a_time_that_has_a_run_gets_no_second_one(vault: Vault) -> None:
    moment = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    schedule = await due(vault, moment)
    assert await runs.start_due(vault.api.pool) is not None
    await vault.api.pool.execute("UPDATE schedule_runs SET state = 'finished', finished_at = now()")
    # As a process would that has read the schedule before the other one has started the run.
    await vault.api.pool.execute("UPDATE schedules SET next_run_at = $1", moment)
    assert await runs.start_due(vault.api.pool) is None
    assert await vault.api.pool.fetchval("SELECT count(*) FROM schedule_runs") == 1
    shown = await vault.call("GET", f"/schedules/{schedule}")
    assert datetime.fromisoformat(shown.body["next_run_at"]) > datetime.now(UTC)


async def test_what_was_missed_is_caught_up_once_and_that_is_said(vault: Vault) -> None:
    await due(vault, LONG_AGO)
    before = datetime.now(UTC)
    run = await runs.start_due(vault.api.pool)
    assert run is not None
    assert run.cause is RunCause.CAUGHT_UP
    assert before - HOUR < run.due_at <= datetime.now(UTC)  # the last full hour, whichever that is by now
    assert run.missed == (run.due_at - LONG_AGO) / HOUR
    await vault.finish(run.id)
    assert await runs.start_due(vault.api.pool) is None


async def test_a_run_that_is_hours_late_is_one_that_is_caught_up(vault: Vault) -> None:
    await due(vault, datetime.now(UTC))
    await vault.call("PUT", "/schedules/1", cron="@yearly")
    this_year = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    await vault.api.pool.execute("UPDATE schedules SET next_run_at = $1", this_year)
    run = await runs.start_due(vault.api.pool)
    assert run is not None
    assert (run.cause, run.due_at, run.missed) == (RunCause.CAUGHT_UP, this_year, 0)


async def test_a_schedule_waits_for_its_last_run(vault: Vault) -> None:
    schedule = await due(vault, LONG_AGO)
    first = await runs.start_due(vault.api.pool)
    assert first is not None
    await vault.api.pool.execute("UPDATE schedules SET next_run_at = $1", LONG_AGO)
    assert await runs.start_due(vault.api.pool) is None
    refused = await vault.call("POST", f"/schedules/{schedule}/run")
    assert (refused.status, refusal(refused)["code"]) == (409, "run_underway")


async def test_a_schedule_that_is_paused_is_not_due_and_can_be_run(vault: Vault) -> None:
    schedule = await due(vault, LONG_AGO)
    await vault.call("POST", f"/schedules/{schedule}/pause")
    assert await runs.start_due(vault.api.pool) is None
    run = await vault.back_up(schedule)
    assert (run.cause, run.state, run.counts) == (RunCause.REQUESTED, RunState.FINISHED, {})


async def test_the_keeper_starts_what_is_due_by_itself(vault: Vault) -> None:
    await due(vault, LONG_AGO)
    assert await vault.keeper.make_round()
    (run,) = await runs.list_open(vault.api.pool, limit=10)
    assert (await vault.finish(run.id)).state is RunState.FINISHED
    assert not await vault.keeper.make_round()
