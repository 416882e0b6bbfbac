"""An event loop beside the test, for what waits for its answers without one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_DEADLINE = 60.0


class Background:
    """Runs coroutines in the loop of a thread, and gives their results."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for it in this thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_DEADLINE)

    async def done(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await it in the loop of the caller."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    @contextmanager
    def opened(self, resource: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Open and close a resource there."""
        given = self.run(resource.__aenter__())
        try:
            yield given
        finally:
            self.run(resource.__aexit__(None, None, None))


@contextmanager
def background() -> Iterator[Background]:
    """Start a loop, and end it with the block."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="background")
    thread.start()
    try:
        yield Background(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
