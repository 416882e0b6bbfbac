"""The arithmetic of the model of large installations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import measures, model
from tests.benchmarks.model import Costs, Job, Machine, Prices
from tests.benchmarks.results import Figure, Outcome

COSTS = Costs(
    tiny_import_worker=100,
    tiny_import_postgres=10,
    tiny_import_statements=50,
    idle_statements_few=3,
    idle_statements_many=3,
    connections=2,
)
MACHINE = Machine(
    postgres_cores=4, postgres_connections=10_000, broker_messages=1000, store_mib=100, store_calls=100
)
JOB = Job(worker_seconds=0.1, api_seconds=0, postgres_seconds=0.01, statements=50, rows=20, messages=2)


def capacity(
    workers: int, job: Job = JOB, machine: Machine = MACHINE, costs: Costs = COSTS
) -> model.Capacity:
    return model.capacity(job, workers, costs, machine)


def test_few_workers_do_as_many_jobs_as_they_have_seconds_for() -> None:
    found = capacity(4)
    assert found.limit == "workers"
    assert found.jobs == pytest.approx(40)
    assert found.statements == pytest.approx(40 * 50 + 3)
    assert found.rows == pytest.approx(800)
    assert found.messages == pytest.approx(80)


def test_many_workers_do_as_many_jobs_as_postgres_has_seconds_for_beside_idle_statements() -> None:
    found = capacity(1000)
    idle_cores = 3 * 0.010 / 50
    assert found.limit == "Postgres, processor"
    assert found.jobs == pytest.approx((4 - idle_cores) / 0.01)


@pytest.mark.parametrize(
    ("job", "limit", "jobs"),
    [
        (replace(JOB, messages=100), "broker", 10),
        (replace(JOB, moved=20), "store, bytes", 5),
        (replace(JOB, calls=50), "store, operations", 2),
        (replace(JOB, api_seconds=200), "apis", 0.5),
    ],
)
def test_the_resource_that_allows_the_fewest_jobs_is_the_limit(job: Job, limit: str, jobs: float) -> None:
    found = capacity(100, job)
    assert found.limit == limit
    assert found.jobs == pytest.approx(jobs)


def test_workers_that_get_no_connection_do_nothing() -> None:
    found = capacity(100, machine=replace(MACHINE, postgres_connections=40))
    assert found.limit == "Postgres, connections"
    assert found.jobs == pytest.approx(10 / 0.1)  # 40 connections serve 20 services, of which 10 are workers
    assert found.connections == 400


def test_no_job_is_done_where_idle_services_take_all_of_postgres() -> None:
    costs = replace(COSTS, idle_statements_few=3e6, idle_statements_many=30e6)
    assert capacity(100, costs=costs).jobs == 0


@pytest.mark.parametrize(("services", "statements"), [(3, 26), (30, 260), (300, 2600)])
def test_idle_statements_grow_with_the_part_that_each_service_causes(services: int, statements: int) -> None:
    costs = replace(COSTS, idle_statements_few=26, idle_statements_many=260)
    assert model.idle_statements(costs, services) == pytest.approx(statements)


def test_what_one_leader_does_is_not_counted_for_each_service() -> None:
    costs = replace(COSTS, idle_statements_few=3, idle_statements_many=5.7)
    assert model.idle_statements(costs, 300) == pytest.approx(2.7 + 300 * 0.1)


def test_an_import_costs_by_its_bytes_and_its_entries() -> None:
    tiny, large = model.import_job(COSTS), model.import_job(COSTS, gib=10, entries=1_000_000)
    assert large.worker_seconds - tiny.worker_seconds == pytest.approx(10 * COSTS.import_worker)
    assert large.rows - tiny.rows == 1_000_000
    assert large.statements - tiny.statements == 1000
    assert large.calls == 10 * (COSTS.import_operations + 2 * 1024 / 5)  # parts of 5 MiB, staged and put
    assert tiny.moved == 0


def test_an_export_moves_the_bytes_of_its_download() -> None:
    assert model.export_job(COSTS, gib=2).moved == 2048


def test_a_tib_is_priced_by_its_reads_and_its_writes() -> None:
    requests, dollars = model.price_a_tib(100, writes=0.25, prices=Prices(puts=0.008, gets=0.0004))
    assert requests == 102_400
    assert dollars == pytest.approx(102.4 * (0.25 * 0.008 + 0.75 * 0.0004))


def test_the_check_gives_measured_over_reckoned_on_the_cores_of_one_machine() -> None:
    found = model.check(COSTS, {1: 5, 4: 10}, cores=2)
    assert found[1] == pytest.approx(5 / 10)
    assert found[4] == pytest.approx(10 / (2 / 0.11))


def test_costs_that_were_measured_replace_their_presets() -> None:
    measured = Figure("tiny import, statements", "a job", None, None, [29, 31, 30])
    costs = model.read_costs([Outcome("tiny", [measured])])
    assert costs == replace(Costs(), tiny_import_statements=30)


def figure_patterns() -> Iterator[str]:
    """Give the names of all samples that the measures make, a part that is put in as ``.+``."""
    for path in Path(measures.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Sample":
                name = node.args[0]
                parts = name.values if isinstance(name, ast.JoinedStr) else [name]
                yield "".join(
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in parts
                )


def test_each_cost_is_the_figure_of_a_measure() -> None:
    patterns = set(figure_patterns()) - {".+"}
    for cost in model.cost_names():
        assert any(re.fullmatch(pattern, cost) for pattern in patterns), cost


def test_each_limit_has_advice() -> None:
    limits = model._limits(JOB, 100, COSTS, replace(MACHINE, postgres_connections=4), connected=2, idle=1)
    assert limits.keys() == model.ADVICE.keys()


def test_the_report_takes_what_was_measured_and_says_how_far_the_model_is_from_it() -> None:
    figure = Figure("tiny imports of 2 importers", "a second", None, None, [20.0])
    lines = list(model.report([Outcome("workers", [figure])], cores=2))
    assert sum(line.split()[:1] == ["1000"] for line in lines) == 5
    assert any(line.startswith("2 importers did ") for line in lines)
