"""Statements a second of services that have nothing to do: three, and thirty."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.benchmarks.bench import Bench, database_of
from tests.benchmarks.meters import cpu_seconds
from tests.benchmarks.results import Sample, at_most
from tests.benchmarks.statements import counted, psql
from tests.support.spools import MIB, peak_rss

_SETTLING = 5
"""Seconds after the start in which services do what they do but once."""
_CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def measure(bench: Bench) -> Iterator[Sample]:
    """Count those of one service of each kind, and of ten of each."""
    for each, goal in ((1, 3), (10, 10)):
        services = 3 * each
        with bench.distributed(apis=each, importers=each, exporters=each) as system:
            time.sleep(_SETTLING)
            database, seconds = database_of(system.database_url), bench.options.seconds
            cpu = sum(cpu_seconds(process.pid) for process in system.processes.values())
            with counted(bench.postgres, database) as count:
                time.sleep(seconds)
            spent = sum(cpu_seconds(process.pid) for process in system.processes.values()) - cpu
            connections = int(psql(system.database_url, _CONNECTIONS))
            peak = max(peak_rss(process.pid) for process in system.processes.values())
        of = f"{services} idle services"
        yield Sample(f"{of}, statements", count.statements / seconds, "a second", at_most(goal))
        yield Sample(f"{of}, connections to Postgres", connections / services, "a service")
        yield Sample(f"{of}, processor", 100 * spent / seconds / services, "% of a core each")
        yield Sample(f"{of}, most memory", peak / MIB, "MiB")
