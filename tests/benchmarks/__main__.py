"""Runs measures one after another; what fails says so and the rest goes on.

``python -m tests.benchmarks --help`` says what can be asked for.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, Measure
from tests.benchmarks.measures import (
    codec,
    download,
    files,
    fleet,
    github,
    idle,
    index,
    many,
    memory,
    mixed,
    polling,
    price,
    reimport,
    repository,
    simulated,
    tiny,
    workers,
)
from tests.benchmarks.options import ROOT, parse
from tests.benchmarks.plots import write_plots
from tests.benchmarks.results import Outcome, number, table, write_json

_SHORT: dict[str, Measure] = {
    "mixed": mixed.measure,
    "download": download.measure,
    "reimport": reimport.measure,
    "many": many.measure,
    "tiny": tiny.measure,
    "polling": polling.measure,
    "idle": idle.measure,
    "files": files.measure,
    "memory": memory.measure,
    "simulated": simulated.measure,
}
_LONG: dict[str, Measure] = {
    "workers": workers.measure,
    "index": index.measure,
    "fleet": fleet.measure,
    "github": github.measure,
    "repository": repository.measure,
    "codec": codec.measure,
    "price": price.measure,
}
MEASURES = _SHORT | _LONG


def main() -> int:
    """Measure, and give the exit code: 1 where a measure failed, whatever the goals say."""
    options = parse(sys.argv[1:], {name: name in _SHORT for name in MEASURES})
    about, outcomes = _about(), list[Outcome]()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-") as name, Bench(options, Path(name)) as bench:
        Path(name).chmod(0o755)
        for measure in options.only:
            if time.monotonic() > end:
                outcomes.append(Outcome(measure, error=f"no time within {options.minutes:g} minutes"))
                continue
            outcomes.append(run(measure, MEASURES[measure], bench))
            write_json(options.out, about, outcomes)
    write_plots(options.out.absolute().parent, outcomes)
    print(f"\n{table(outcomes)}")
    return int(any(outcome.error for outcome in outcomes))


def run(name: str, measure: Measure, bench: Bench) -> Outcome:
    """Take the samples of a measure, and what it gave before it failed where it does."""
    outcome, began = Outcome(name), time.monotonic()
    print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
    try:
        for sample in measure(bench):
            outcome.add(sample)
            print(f"  {sample.name}: {number(sample.value)} {sample.unit}", flush=True)
    except Exception as error:  # noqa: BLE001  # one measure that fails ends no other
        outcome.error = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        print(f"  FAILED: {error}", flush=True)
    outcome.seconds = time.monotonic() - began
    return outcome


def _about() -> dict[str, Any]:
    """Say what was measured, on what, and how."""
    commit = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return {
        "commit": subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip(),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "words": sys.argv[1:],
        "cores": os.cpu_count(),
        "machine": f"{platform.machine()}, {platform.release()}, Python {platform.python_version()}",
    }


if __name__ == "__main__":
    sys.exit(main())
