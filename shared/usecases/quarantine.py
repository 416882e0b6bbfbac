"""The quarantine of a project: the refused lines of its content, for who maintains it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.database.transactions import transaction
from shared.snapshots import lifecycle, quarantine
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.quarantine import QuarantinedLine, QuarantinedRelation
from shared.snapshots.reading import keep_for_reading
from shared.usecases.access import find_maintained_project, require_user
from shared.usecases.errors import NotFound


class Quarantine:
    """Counts, lists, gives and discards refused lines. A project without content has none."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_project(self, actor: User | None, reference: str) -> int:
        """Return the project's id. Raises Unauthenticated, NotFound, MovedProject and Denied."""
        return (await find_maintained_project(self._pool, require_user(actor), reference)).id

    async def count(self, project_id: int) -> Sequence[QuarantinedRelation]:
        """Return the counts of each relation that has refused lines, in the order of their names."""
        snapshot_id = await lifecycle.current(self._pool, project_id)
        return [] if snapshot_id is None else await quarantine.count_by_relation(self._pool, snapshot_id)

    async def list_lines(
        self, project_id: int, *, relation: str | None, after: int, limit: int
    ) -> Sequence[QuarantinedLine]:
        """Return lines without their bytes, by ascending id from behind ``after`` on."""
        snapshot_id = await lifecycle.current(self._pool, project_id)
        if snapshot_id is None:
            return []
        return await quarantine.list_lines(
            self._pool, snapshot_id, after=after, limit=limit, relation=relation
        )

    async def read(
        self, project_id: int, *, relation: str | None
    ) -> AsyncGenerator[Sequence[QuarantinedLine], None]:
        """Yield all lines with their bytes, some at a time, whatever becomes of the project meanwhile."""
        async with AsyncExitStack() as stack:
            snapshot_id = await self._keep_current(stack, project_id)
            if snapshot_id is None:
                return
            lines = quarantine.read_lines(self._pool, snapshot_id, relation=relation)
            async with aclosing(lines) as found:
                async for some in found:
                    yield some

    async def _keep_current(self, stack: AsyncExitStack, project_id: int) -> int | None:
        """Keep the project's current snapshot; look it up again, once, if it is replaced meanwhile."""
        snapshot_id = await lifecycle.current(self._pool, project_id)
        try:
            await stack.enter_async_context(keep_for_reading(self._pool, snapshot_id))
        except SnapshotGone:
            snapshot_id = await lifecycle.current(self._pool, project_id)
            await stack.enter_async_context(keep_for_reading(self._pool, snapshot_id))
        return snapshot_id

    async def discard(
        self, project_id: int, *, relation: str | None = None, line_id: int | None = None
    ) -> None:
        """Delete one line, those of one relation, or all. Raises NotFound where there is no such line."""
        async with transaction(self._pool) as db:
            snapshot_id = await lifecycle.current(db, project_id)
            gone = 0
            if snapshot_id is not None:
                gone = await quarantine.discard(db, snapshot_id, relation=relation, line_id=line_id)
            if line_id is not None and not gone:
                raise NotFound("Line")
