from __future__ import annotations

import shutil

from tests.support.api import Api

OK = [{"status": "ok"}]


async def test_a_process_that_answers_is_healthy_and_alive(api: Api) -> None:
    health = await api.call("GET", "/-/health")
    alive = await api.call("GET", "/-/liveness")

    assert (health.status, health.body) == (200, b"GitLab OK")
    assert (alive.status, alive.body) == (200, {"status": "ok"})


async def test_readiness_names_every_part_on_request(api: Api) -> None:
    short = await api.call("GET", "/-/readiness")
    full = await api.call("GET", "/-/readiness?all=1")

    assert (short.status, short.body) == (200, {"status": "ok", "master_check": OK})
    assert (full.status, full.body) == (
        200,
        {"status": "ok", "master_check": OK, "db_check": OK, "queue_check": OK, "storage_check": OK},
    )


async def test_a_part_that_is_away_makes_it_not_ready(api: Api) -> None:
    await api.pool.close()
    shutil.rmtree(api.folder, ignore_errors=True)

    answer = await api.call("GET", "/-/readiness?all=1")

    assert (answer.status, answer.body["status"]) == (503, "failed")
    assert answer.body["db_check"] == [{"status": "failed"}]
    assert answer.body["queue_check"] == OK
    assert (await api.call("GET", "/-/liveness")).status == 200


async def test_it_is_not_ready_without_the_database_and_says_so_even_where_not_all_is_asked(api: Api) -> None:
    await api.pool.close()

    answer = await api.call("GET", "/-/readiness")

    assert (answer.status, answer.body) == (
        503,
        {"status": "failed", "master_check": OK, "db_check": [{"status": "failed"}]},
    )


async def test_draining_makes_it_not_ready(api: Api) -> None:
    api.readiness.drain()

    answer = await api.call("GET", "/-/readiness")

    assert (answer.status, answer.body) == (
        503,
        {"status": "failed", "master_check": [{"status": "failed"}]},
    )


async def test_health_is_told_to_anybody_whatever_the_token(api: Api) -> None:
    answer = await api.call("GET", "/-/readiness", headers={"PRIVATE-TOKEN": "unknown"})

    assert answer.status == 200
