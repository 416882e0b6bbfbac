"""Copies a group of many projects from one standalone to another by one command, and kills both all the time.

``python -m tests.soak.migration --help`` says what can be asked for. The exit code is 1 where a project is
missing on the target, there twice, with other content, or reported wrongly.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.support.migration import Migrated, Migration
from tests.support.restarts import Restarted

_PROJECTS, _GROUPS = 300, 20
_CHANCE = 0.03
"""Of a kill of each side, after each project."""


def main() -> int:
    """Run, and say what came of it."""
    given = _arguments()
    chance = random.Random(given.seed)  # noqa: S311  # a plan that can be repeated
    kills = {
        after: "".join(side for side in "st" if chance.random() < _CHANCE) for after in range(given.projects)
    }
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-migration-")))
        folder.chmod(0o755)
        source, target = (Restarted(folder / name, resources) for name in ("source", "target"))
        source.wait()
        target.wait()
        migration = Migration(source, target, folder, groups=given.groups, projects=given.projects)
        begun = time.monotonic()
        migration.fill()
        _say(f"{given.projects} projects in {given.groups} groups made in {time.monotonic() - begun:.0f} s")
        begun = time.monotonic()
        done = migration.run(kills, parallel=given.parallel)
        seconds = time.monotonic() - begun
        faults = [*_told_wrongly(done, given.projects), *migration.faults()]
    _say(f"copied in {seconds:.0f} s, {source.kills} kills of the source, {target.kills} of the target")
    _say(f"the command's memory: {done.peak / 2**20:.0f} MiB at most; exit code {done.code}")
    for fault in faults:
        _say(fault)
    _say(f"{len(faults)} faults, with --seed {given.seed}")
    if faults:
        sys.stdout.write(done.stderr[-8000:])
    return int(bool(faults))


def _told_wrongly(done: Migrated, projects: int) -> list[str]:
    failed = [
        f"{each['project']}: {each['why']}" for each in done.documents[:-1] if each["state"] == "failed"
    ]
    moved = len({each["project"] for each in done.documents[:-1]})
    counts = (done.code, done.summary["done"] + done.summary["skipped"], moved)
    expected = (0, projects, projects)
    return failed + ([] if counts == expected else [f"exit code, done and named: {counts}, not {expected}"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=_PROJECTS)
    parser.add_argument("--groups", type=int, default=_GROUPS)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
