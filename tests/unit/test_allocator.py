from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

_THREADS = """
import ctypes, sys, threading
from services.process.allocator import share_one_arena
if sys.argv[1] == "one":
    share_one_arena()
meeting = threading.Barrier(4)
def allocate():
    held = [bytes(100_000) for _ in range(10)]
    meeting.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
@pytest.mark.parametrize(("how", "arenas"), [("one", "one"), ("as they are", "several")])
def test_all_threads_allocate_from_one_arena(how: str, arenas: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _THREADS, how],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (run.stderr.count("Arena ") == 1) == (arenas == "one")


_HEAP = """
import asyncio, gc, os, signal
from services.api.wiring import wait_for_drain
from services.process.health import Readiness
async def main():
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await wait_for_drain(Readiness(), notice=0)
asyncio.run(main())
print(gc.get_freeze_count())
"""


def test_garbage_is_not_looked_for_among_what_a_service_consists_of() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _HEAP], check=True, capture_output=True, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert int(run.stdout) > 100_000
