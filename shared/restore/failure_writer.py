"""Writes failed relations to Postgres in batches of bounded length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.database.pool import Pool
from shared.errors import ArchiveError
from shared.jobs.models import Lease
from shared.restore.failures import Failure, LimitedFailures, is_of_lines

_BATCH = 500
_LONGEST = 255
_COLUMNS = (
    "job_id", "lease", "relation", "line_number", "source",
    "exception_class", "exception_message", "external_identifiers",
)  # fmt: skip


class FailureWriter:
    """A FailureLog that buffers at most 500 failures and writes them as a batch."""

    def __init__(self, pool: Pool, lease: Lease) -> None:
        self._pool = pool
        self._lease = lease
        self._waiting: list[Failure] = []
        self._limited = LimitedFailures(self._keep, self._withdraw)

    @property
    def count(self) -> int:
        """See FailureLog."""
        return self._limited.count

    async def add(self, failure: Failure) -> None:
        """See FailureLog."""
        await self._limited.add(failure)

    async def withdraw(self, relation: str) -> None:
        """See FailureLog."""
        await self._limited.withdraw(relation)

    async def _withdraw(self, relation: str) -> None:
        self._waiting = [each for each in self._waiting if not is_of_lines(each, relation)]
        await self._pool.execute(
            """DELETE FROM failed_relations WHERE job_id = $1 AND lease = $2 AND relation = $3
               AND line_number IS NOT NULL""",
            self._lease.job_id, self._lease.token, relation[:_LONGEST],
        )  # fmt: skip

    async def _keep(self, failure: Failure) -> None:
        self._waiting.append(failure)
        if len(self._waiting) >= _BATCH:
            await self.flush()

    @asynccontextmanager
    async def flush_after(self) -> AsyncIterator[None]:
        """Write all failures after the block, also if it ends by an ArchiveError."""
        try:
            yield
        except ArchiveError:
            await self.flush()
            raise
        await self.flush()

    async def flush(self) -> None:
        """Write the buffered failures."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        async with self._pool.acquire() as db:
            await db.copy_records_to_table(
                "failed_relations", columns=_COLUMNS, records=[self._row(failure) for failure in waiting]
            )

    def _row(self, failure: Failure) -> tuple[object, ...]:
        return (
            self._lease.job_id, self._lease.token, failure.relation[:_LONGEST], failure.line_number,
            failure.source, failure.exception_class, failure.message.replace("\0", "\\u0000")[:_LONGEST],
            dict(failure.external_identifiers),
        )  # fmt: skip
