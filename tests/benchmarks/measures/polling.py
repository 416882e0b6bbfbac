"""A hundred clients that ask for a status, against a handler of aiohttp that does nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp

from tests.benchmarks.bench import Bench, database_of
from tests.benchmarks.results import Sample, at_most
from tests.benchmarks.statements import counted
from tests.support.ports import free_ports
from tests.support.system import answers

_POLLERS = 100
_COUNTED = 50
_EMPTY = """
import sys
from aiohttp import web
async def empty(request): return web.json_response({"import_status": "finished"})
app = web.Application()
app.router.add_get("/", empty)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of all answers, the quickest first."""

    taken: list[float]

    def at(self, share: float) -> float:
        """Give the seconds that this share of the answers do not exceed."""
        return self.taken[min(int(len(self.taken) * share), len(self.taken) - 1)]


def measure(bench: Bench) -> Iterator[Sample]:
    """Poll in turn, each client as soon as it has its answer."""
    project = bench.client.import_archive(bench.archive("tiny", 1), "polled")
    url = f"{bench.system.url}/api/v4/projects/{project}/import"
    yield _statements(bench, project)
    with _empty_handler() as empty:
        for _ in range(bench.options.pairs):
            ours = asyncio.run(_poll(url, bench.client.token, bench.options.seconds))
            theirs = asyncio.run(_poll(empty, "", bench.options.seconds))
            yield Sample(
                "status, 99 of 100 / empty handler", ours.at(0.99) / theirs.at(0.99), goal=at_most(5)
            )
            yield Sample("status, half / empty handler", ours.at(0.5) / theirs.at(0.5))
            yield Sample("status", len(ours.taken) / bench.options.seconds, "a second")


def _statements(bench: Bench, project: int) -> Sample:
    with counted(bench.postgres, database_of(bench.system.database_url)) as count:
        for _ in range(_COUNTED):
            bench.client.until_imported(project)
    return Sample("status, statements", count.statements / _COUNTED, "a request", at_most(2))


@contextmanager
def _empty_handler() -> Iterator[str]:
    (port,) = free_ports(1)
    process = subprocess.Popen([sys.executable, "-c", _EMPTY, str(port)])
    try:
        url = f"http://127.0.0.1:{port}/"
        while not answers(url):
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


async def _poll(url: str, token: str, seconds: float) -> Times:
    taken: list[float] = []
    end = time.monotonic() + seconds
    headers, connector = {"PRIVATE-TOKEN": token}, aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def poller() -> None:
            while time.monotonic() < end:
                began = time.perf_counter()
                async with session.get(url) as answer:
                    await answer.read()
                    answer.raise_for_status()
                taken.append(time.perf_counter() - began)

        await asyncio.gather(*(poller() for _ in range(_POLLERS)))
    return Times(sorted(taken))
