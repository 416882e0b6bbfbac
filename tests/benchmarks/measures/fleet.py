"""The nightly backup of many projects into a bucket: two nights, what each moves, and memory by numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.measures.tiny import drained, import_jobs
from tests.benchmarks.meters import Cost, metered
from tests.benchmarks.results import Sample, at_most
from tests.support.spools import MIB, peak_rss
from tests.support.system import System

_CHANGED = 5
"""Projects that are replaced between the two nights."""
_PATH = "root/fleet0"
"""The project that is brought back: one of those that change."""
_FEW = 10
"""A small fleet has so many times fewer projects."""


@dataclass(slots=True)
class Night:
    """One run of the command: its last document, and its highest resident memory in MiB."""

    summary: Mapping[str, Any]
    peak: float = 0


def measure(bench: Bench) -> Iterator[Sample]:
    """Back up a small fleet, and a large one on two nights; bring one project back as it was before."""
    few = yield from _nights(bench, max(2 * _CHANGED, bench.options.projects // _FEW))
    many = yield from _nights(bench, bench.options.projects)
    for name, peak in many.items():
        yield Sample(f"{name}, memory of many to few", peak / few[name], "ratio", at_most(1.2))


def _nights(bench: Bench, projects: int) -> Generator[Sample, None, dict[str, float]]:
    with bench.distributed() as system:
        _, numbers = drained(system, import_jobs(bench, "fleet"), projects)
        place = f"s3://{bench.s3.bucket}/fleet-of-{projects}"
        first, first_cost = _night(bench, system, place)
        yield Sample(f"first night of {projects}", projects / first_cost.seconds, "projects a second")
        between, content = datetime.now(UTC), _content(system, _PATH)
        _change(bench, system, numbers[:_CHANGED])
        second, second_cost = _night(bench, system, place)
        yield Sample(f"second night of {projects}", second_cost.seconds, "s")
        share = second.summary["bytes"] / first.summary["bytes"]
        most = at_most(1.5 * _CHANGED / projects)
        yield Sample(f"second night of {projects}, bytes of the first's", share, "ratio", most)
        _check(first.summary, second.summary, projects)
        digests = (_restore(bench, system, place, between), _content(system, _PATH))
        if digests[0] != content or digests[1] == content:
            raise RuntimeError(f"before, restored and now: {(content, *digests)}")
        peaks = {name: max(first_cost.peak[name], second_cost.peak[name]) for name in system.processes}
        peaks["command"] = max(first.peak, second.peak)
        for name, peak in peaks.items():
            yield Sample(f"{name}, memory with {projects}", peak, "MiB")
    return peaks


def _night(bench: Bench, system: System, place: str) -> tuple[Night, Cost]:
    with metered(system) as cost:
        night = _run(bench, system, "backup", "--all", "--to", place)
    return night, cost


def _check(first: Mapping[str, Any], second: Mapping[str, Any], projects: int) -> None:
    counts = first["done"], second["done"], second["skipped"]
    if counts != (projects, _CHANGED, projects - _CHANGED):
        raise RuntimeError(f"done, then done and skipped: {counts}")


def _change(bench: Bench, system: System, numbers: Sequence[int]) -> None:
    client, archive = client_of(system), str(bench.archive("tiny", 1, 2))
    for number in numbers:
        path = client.call("GET", f"/v4/projects/{number}")["path_with_namespace"]
        _run(bench, system, "import", archive, "--path", path, "--overwrite")


def _content(system: System, path: str) -> str:
    """Give the digest of what a project's import has kept."""
    query = f"kind=import&project={path.replace('/', '%2F')}"
    newest = client_of(system).call("GET", f"/crossdock/v1/jobs?{query}")[0]
    return str(newest["content_sha256"])


def _restore(bench: Bench, system: System, place: str, at: datetime) -> str:
    """Bring a project back as it was then, and give the digest of its content."""
    _run(
        bench, system, "restore", place, "--into", "restored", "--only", _PATH,
        "--at", f"{at:%Y-%m-%dT%H:%M:%S}",
    )  # fmt: skip
    return _content(system, f"restored/{_PATH}")


def _run(bench: Bench, system: System, *words: str) -> Night:
    """Run a command to its end; its memory is read after each project, which is a line."""
    env = {
        **os.environ,
        "CROSSDOCK_URL": system.url,
        "CROSSDOCK_TOKEN": system.token,
        "CROSSDOCK_CONFIG": str(bench.scratch("no-profiles.toml")),
        "AWS_ENDPOINT_URL_S3": bench.s3.endpoint,
        "AWS_ACCESS_KEY_ID": bench.s3.access_key,
        "AWS_SECRET_ACCESS_KEY": bench.s3.secret_key,
    }
    night = Night({})
    command = [sys.executable, "-m", "services.cli", *words, "--json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        for line in running.stdout:
            night.summary = json.loads(line)
            with suppress(OSError, ValueError, IndexError, StopIteration):  # it may have ended
                night.peak = max(night.peak, peak_rss(running.pid) / MIB)
    if running.returncode:
        raise RuntimeError(f"crossdock {words[0]} ended with {running.returncode}: {night.summary}")
    return night
