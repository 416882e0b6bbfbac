"""A migration goes on whatever dies: the command line copies a group between two servers that are killed."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path

from tests.support.migration import Migration
from tests.support.restarts import Restarted

PROJECTS, GROUPS = 16, 4
KILLS = {2: "s", 5: "t", 8: "st"}
"""After how many projects which side is killed: the source, the target."""


def test_a_group_is_copied_once_and_whole_while_both_servers_are_killed(tmp_path: Path) -> None:
    with ExitStack() as resources:
        source, target = (Restarted(tmp_path / name, resources) for name in ("source", "target"))
        source.wait()
        target.wait()
        migration = Migration(source, target, tmp_path, groups=GROUPS, projects=PROJECTS)
        migration.fill()
        done = migration.run(KILLS)
        assert done.code == 0, done.stderr
        assert (done.summary["done"], done.summary["failed"]) == (PROJECTS, 0)
        assert (source.kills, target.kills) == (2, 2)
        assert migration.faults() == []
        with (tmp_path / "report.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {row["target"] for row in rows} == set(migration.paths)
        assert {row["state"] for row in rows} == {"done"}

        again = migration.run({})
        assert (again.code, again.summary["done"], again.summary["skipped"]) == (0, 0, PROJECTS)
