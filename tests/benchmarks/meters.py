"""What a block cost: seconds, processor seconds, most memory, and bytes of the object storage."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.spools import MIB, peak_rss
from tests.support.system import System

_STORAGE = re.compile(
    r'^crossdock_storage_(bytes|operations)_total\{operation="(\w+)"[^}]*\} (\S+)', re.MULTILINE
)


@dataclass(slots=True)
class Cost:
    """The cost of a block, for each process of a system by its name.

    ``moved`` are MiB and ``calls`` operations of the object storage, by process and operation.
    """

    seconds: float = 0
    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)
    moved: dict[str, dict[str, float]] = field(default_factory=dict)
    calls: dict[str, dict[str, float]] = field(default_factory=dict)


@contextmanager
def metered(system: System) -> Iterator[Cost]:
    """Measure a block; read the cost after it. The disks' caches are written before it begins."""
    os.sync()
    pids = {name: process.pid for name, process in system.processes.items()}
    for pid in pids.values():
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # VmHWM begins anew
    storage, cpu = _storage(system), {name: cpu_seconds(pid) for name, pid in pids.items()}
    cost, began = Cost(), time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - began
    for name, pid in pids.items():
        cost.cpu[name] = cpu_seconds(pid) - cpu[name]
        cost.peak[name] = peak_rss(pid) / MIB
    for name, now in _storage(system).items():
        more = {key: value - storage[name].get(key, 0) for key, value in now.items()}
        cost.moved[name] = {which: value / MIB for (what, which), value in more.items() if what == "bytes"}
        cost.calls[name] = {which: value for (what, which), value in more.items() if what == "operations"}


def _storage(system: System) -> dict[str, dict[tuple[str, str], float]]:
    """Read the storage's counters of all processes: bytes and operations, by operation."""
    return {name: storage_in(scraped(f"{address}/metrics")) for name, address in system.monitoring.items()}


def storage_in(text: str) -> dict[tuple[str, str], float]:
    """Sum the storage's counters of a page of metrics, whatever the results of operations."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for what, operation, value in _STORAGE.findall(text):
        found[what, operation] += float(value)
    return found


def scraped(url: str) -> str:
    """Give the text of a page of metrics."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # our own server
        return str(answer.read().decode())


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process, of those below it, and of those below that have ended."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def timed() -> Iterator[Cost]:
    """Measure only the seconds of a block."""
    os.sync()
    cost, began = Cost(), time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - began
