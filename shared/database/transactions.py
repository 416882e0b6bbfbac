"""Transactions whose commit their caller may postpone, so that it adds what belongs to their effect.

Who changes something opens ``transaction``, and need not know who calls. By itself the block commits at its
end. Within ``postponed_commit`` all such blocks are parts of one transaction, which is committed at the end
of that: both their changes and the caller's are made, or none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar

from shared.database.pool import Connection, Database, Pool

Action = Callable[[], None]
"""What is done after a commit; it neither waits nor raises."""


class PostponedCommit:
    """One transaction, which the first change begins and its owner commits."""

    def __init__(self, pool: Pool, stack: AsyncExitStack) -> None:
        self._pool = pool
        self._stack = stack
        self._actions: list[Action] = []
        self.db: Connection | None = None

    async def begin(self) -> Connection:
        """Return the connection of the transaction, which begins with the first call."""
        if self.db is None:
            self.db = await self._stack.enter_async_context(self._pool.acquire())
            await self._stack.enter_async_context(self.db.transaction())
        return self.db

    async def commit(self) -> None:
        """Commit what was changed until now, and do what was to be done then; a later change begins anew.

        Raises what a commit raises; then it is unknown whether the changes were made.
        """
        self.db = None
        await self._stack.aclose()
        self.end()

    def add(self, action: Action) -> None:
        """Do something after the commit."""
        self._actions.append(action)

    def end(self) -> None:
        """Do what was to be done after the commit."""
        actions, self._actions = self._actions, []
        for action in actions:
            action()


_POSTPONED: ContextVar[PostponedCommit | None] = ContextVar("postponed_commit", default=None)


@asynccontextmanager
async def postponed_commit(pool: Pool) -> AsyncIterator[PostponedCommit]:
    """Commit what the block changes at its end, or roll all of it back where the block raises.

    Between the first change and the end the block should wait for nobody: it holds a connection and locks,
    and the database ends a transaction that pauses for 30 seconds. Raises what a commit raises; then it is
    unknown whether the changes were made.
    """
    async with AsyncExitStack() as stack:
        postponed = PostponedCommit(pool, stack)
        token = _POSTPONED.set(postponed)
        try:
            yield postponed
        finally:
            _POSTPONED.reset(token)
    postponed.end()


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Open a transaction that is committed at the end of the block, or with the caller's changes."""
    postponed = _POSTPONED.get()
    if postponed is None:
        async with pool.acquire() as db, db.transaction():
            yield db
    else:
        outer = await postponed.begin()
        async with outer.transaction():
            yield outer


@contextmanager
def committed_apart() -> Iterator[None]:
    """Have each transaction of the block committed at its end, whatever the caller has postponed.

    For work on many things, each for itself: one transaction would hold the locks of all until its end.
    """
    token = _POSTPONED.set(None)
    try:
        yield
    finally:
        _POSTPONED.reset(token)


def current(pool: Pool) -> Database:
    """Return what sees changes that are not committed yet, where there are any: else the pool."""
    postponed = _POSTPONED.get()
    return pool if postponed is None or postponed.db is None else postponed.db


def after_commit(action: Action) -> None:
    """Do something once the changes are committed: at once, where nobody has postponed that."""
    postponed = _POSTPONED.get()
    if postponed is None:
        action()
    else:
        postponed.add(action)
