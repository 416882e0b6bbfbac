"""Prints what the tests ran of each folder, and fails where that is less of all lines than the floor."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_COVERAGE = Path(sys.executable).with_name("coverage")
_ROW = "{:<28}{:>8}{:>8}{:>9}{:>10}{:>9}"


@dataclass(slots=True)
class Coverage:
    """How many lines there are and how many ran; the same of branches, 0 where nobody counted them."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def add(self, other: Coverage) -> None:
        """Count the other's in."""
        self.lines += other.lines
        self.lines_run += other.lines_run
        self.branches += other.branches
        self.branches_run += other.branches_run

    @property
    def percent(self) -> float:
        """How much of the lines ran; all of them where there are none."""
        return 100 * self.lines_run / self.lines if self.lines else 100.0


def measured() -> dict[str, Coverage]:
    """Give what ran of each file, as the combined data have it."""
    command = [str(_COVERAGE), "json", "--quiet", "-o", "-"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {name: _of_file(file["summary"]) for name, file in json.loads(done.stdout)["files"].items()}


def _of_file(summary: Mapping[str, int]) -> Coverage:
    branches, branches_run = summary.get("num_branches", 0), summary.get("covered_branches", 0)
    return Coverage(summary["num_statements"], summary["covered_lines"], branches, branches_run)


def by_folder(files: Mapping[str, Coverage]) -> dict[str, Coverage]:
    """Add up what lies in each folder of services and shared; the modules beside those are one more."""
    folders: defaultdict[str, Coverage] = defaultdict(Coverage)
    for name, coverage in sorted(files.items()):
        top, part = Path(name).parts[:2]
        folders[f"{top}/{'*.py' if part.endswith('.py') else part}"].add(coverage)
    return folders


def table(folders: Mapping[str, Coverage]) -> Iterator[str]:
    """Give a line for each folder, and one for all."""
    yield _ROW.format("", "lines", "not run", "run", "branches", "taken").rstrip()
    for name, coverage in folders.items():
        missed = coverage.lines - coverage.lines_run
        branches = (coverage.branches, coverage.branches_run) if coverage.branches else ("", "")
        yield _ROW.format(name, coverage.lines, missed, f"{coverage.percent:.1f} %", *branches).rstrip()


def main(floor: float) -> int:
    """Print the table and give the exit code."""
    folders = by_folder(measured())
    total = Coverage()
    for coverage in folders.values():
        total.add(coverage)
    print(*table({**folders, "all": total}), sep="\n")
    if total.percent < floor:
        print(f"Tests ran {total.percent:.2f} % of the lines; the floor is {floor:g} %.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
