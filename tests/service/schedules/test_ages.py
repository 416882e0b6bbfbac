"""How long runs are kept, and what metrics tell of the ages of backups."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared.projects import store as projects
from shared.schedules import ages
from shared.schedules.ages import BackupAges
from shared.schedules.expiry import RunExpiry
from shared.schedules.metrics import ProjectAge, RunMetrics, ScheduleAge
from shared.schedules.models import RunState
from tests.support.imported import imported
from tests.support.projects import project
from tests.support.vault import Vault

HOUR = timedelta(hours=1)


def told(registry: CollectorRegistry) -> list[str]:
    """What is exported of schedules and runs, but for zeros and for when a counter was made."""
    lines = generate_latest(registry).decode().splitlines()
    return [
        line
        for line in lines
        if line.startswith("crossdock_") and not line.endswith(" 0.0") and "_created" not in line
    ]


async def test_the_age_of_a_schedule_is_that_of_its_oldest_good_backup(vault: Vault) -> None:
    one = await imported(vault.api, vault.ann, project(), path="one")
    await imported(vault.api, vault.ann, project(), path="two")
    schedule = await vault.new_schedule(projects=["ann/one", "ann/two"])
    await vault.back_up(schedule)
    pool, registry = vault.api.pool, CollectorRegistry()
    await pool.execute("UPDATE run_projects SET finished_at = finished_at - interval '2 hours'")
    await vault.call("PUT", f"/schedules/{schedule}", projects=["ann/one", "ann/two", str(one.id)])
    number = await vault.start(schedule)
    for _ in range(2):
        await vault.keeper.make_round()
    await pool.execute(
        "UPDATE run_projects SET state = 'failed' WHERE run_id = $1 AND path = 'ann/two'", number
    )
    await pool.execute(
        """INSERT INTO run_projects (run_id, project_id, path, state, finished_at)
           VALUES ($1, 999, 'ann/new', 'failed', now())""",
        number,
    )
    await vault.finish(number)

    assert await BackupAges(pool, RunMetrics(registry)).read() == 1
    one_age, two_age, age, missing = sorted(told(registry))
    for line, path, least in ((one_age, "ann/one", 0), (two_age, "ann/two", 2)):
        labels = f'{{project="{path}",schedule="{schedule}"}}'
        assert line.startswith(f"crossdock_project_backup_age_seconds{labels} ")
        assert least * HOUR <= timedelta(seconds=float(line.rpartition(" ")[2])) < (least + 1) * HOUR
    name, _, seconds = age.partition(" ")
    assert name == f'crossdock_schedule_oldest_backup_seconds{{schedule="{schedule}"}}'
    assert 2 * HOUR <= timedelta(seconds=float(seconds)) < 3 * HOUR
    assert missing == f'crossdock_schedule_projects_without_backup{{schedule="{schedule}"}} 1.0'


async def test_of_many_projects_those_with_the_oldest_backups_are_told(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ages, "MOST_PROJECTS", 1)
    for path in ("one", "two"):
        await imported(vault.api, vault.ann, project(), path=path)
    await vault.back_up(await vault.new_schedule())
    older = "UPDATE run_projects SET finished_at = finished_at - interval '1 hour' WHERE path = 'ann/two'"
    await vault.api.pool.execute(older)
    registry = CollectorRegistry()
    await BackupAges(vault.api.pool, RunMetrics(registry)).read()
    assert [line.count("ann/two") for line in told(registry) if "project=" in line] == [1]


async def test_a_schedule_that_is_paused_has_no_age(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule()
    await vault.back_up(schedule)
    assert await BackupAges(vault.api.pool, RunMetrics()).read() == 1
    await vault.call("POST", f"/schedules/{schedule}/pause")
    assert await BackupAges(vault.api.pool, RunMetrics()).read() == 0


def test_ages_are_told_while_they_are_fresh_and_ends_are_counted() -> None:
    registry = CollectorRegistry()
    metrics = RunMetrics(registry, fresh_for=timedelta(0))
    metrics.set_ages([ScheduleAge(1, HOUR, 0)], [ProjectAge(1, "a/b", HOUR)])
    metrics.count_end(RunState.PARTIAL)
    assert told(registry) == ['crossdock_runs_total{result="partial"} 1.0']


async def test_runs_are_kept_for_their_retention_and_the_last_one_of_a_schedule_longer(vault: Vault) -> None:
    made = await vault.api.project(vault.ann, "one")
    schedule = await vault.new_schedule()
    numbers = [(await vault.back_up(schedule)).id for _ in range(3)]
    await projects.delete(vault.api.pool, made.id)
    expiry = RunExpiry(vault.api.pool, retention=HOUR)
    assert await expiry.remove_runs() == 0
    await vault.api.pool.execute("UPDATE schedule_runs SET finished_at = now() - interval '2 hours'")
    assert await expiry.remove_runs() == 2
    left = (await vault.call("GET", f"/schedules/{schedule}/runs")).body
    assert [each["id"] for each in left] == [numbers[-1]]
    assert len(await vault.catalogue()) == 1
    assert await vault.api.pool.fetchval("SELECT count(*) FROM backups") == 1
