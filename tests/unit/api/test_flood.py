"""More connections than the process has file descriptors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.support.guarded import GET
from tests.support.waiting import eventually

_SERVER = """
import asyncio, resource, sys
from services.listener.connections import ConnectionLimits
from services.listener.descriptors import find_capacity, raise_descriptor_limit
from tests.support.guarded import RealClock, guarded

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


async def main():
    capacity = find_capacity(raise_descriptor_limit(), reserved=0, most=1000)
    limits = ConnectionLimits(most=capacity.connections, backlog=capacity.backlog)
    async with guarded(limits, proxies=["127.0.0.0/8"], clock=RealClock()) as served:
        print(served.port, flush=True)
        await asyncio.to_thread(sys.stdin.readline)


asyncio.run(main())
"""


def test_more_connections_than_descriptors_are_no_error_and_good_requests_are_answered() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    ) as server:  # fmt: skip
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with ExitStack() as silent:
            for _ in range(75):
                for _ in range(8):  # as many as the server accepts at once; more would be connected later
                    silent.enter_context(socket.create_connection(("127.0.0.1", port)))
                eventually(lambda: _get(port) == 200)
            _, errors = server.communicate("\n")
    assert errors == ""


def _get(port: int) -> int:
    """Ask once: a flood of connections that are younger than a moment is refused, and clients repeat."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(GET)
            return int(connection.recv(100).split()[1])
    except (ConnectionError, IndexError, TimeoutError):
        return 0
