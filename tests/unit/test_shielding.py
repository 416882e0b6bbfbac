from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine

import pytest

from shared.archive.budget import Budget
from shared.archive.limits import Limits, Prices
from shared.jobs.progress import Progress
from shared.restore import archive_events as reading
from shared.restore.event_loop import EventLoopYielder
from shared.shielding import INLINE, on_thread, work_through
from tests.support.projects import project


class Step:
    """A step on a thread that waits to be let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._released = threading.Event()
        self.begun = asyncio.Event()
        self.ended = False

    def __call__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)
        self._released.wait(60)
        self.ended = True

    async def release_late(self) -> None:
        for _ in range(20):  # turns of whoever does not wait
            await asyncio.sleep(0)
        self._released.set()


async def _goes_only_after(step: Step, work: Coroutine[None, None, object]) -> None:
    """Cancel work during its step, and find the step ended when the work is."""
    task = asyncio.create_task(work)
    await step.begun.wait()
    task.cancel()
    releasing = asyncio.create_task(step.release_late())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert step.ended
    await releasing


async def test_who_is_cancelled_during_a_step_goes_only_after_it() -> None:
    step = Step()
    await _goes_only_after(step, on_thread(step))


async def test_an_import_cancelled_while_a_thread_inflates_leaves_no_thread_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Step()
    monkeypatch.setattr(reading, "_some", step)

    class Source:
        async def chunks(self) -> AsyncGenerator[bytes, None]:
            yield project(("uploads/a", b"a"))

    async def read() -> None:
        limits = Limits()
        async for _ in reading.archive_events(
            Source(), limits, budget=Budget(Prices()), progress=Progress(), yielder=EventLoopYielder()
        ):
            pass

    await _goes_only_after(step, read())


@pytest.mark.parametrize(("length", "on_loop"), [(INLINE, True), (INLINE + 1, False)])
async def test_only_what_is_long_is_worked_through_on_a_thread(length: int, *, on_loop: bool) -> None:
    threads = await work_through(bytes(length), lambda _: threading.current_thread())
    assert (threads is threading.main_thread()) == on_loop
