"""Audits of the store of a test, and a store that interferes with them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

from shared.audit.auditor import Auditor
from shared.audit.findings import Finding
from shared.storage.base import ObjectInfo
from tests.support.counting import CountingStore
from tests.support.projects import Dock

GRACE = timedelta(minutes=15)

Interference = Callable[[str], Awaitable[None]]
"""Called with the key of an object before the store is asked for it."""


async def _nothing(_key: str) -> None: ...


class AuditedStore(CountingStore):
    """Files, of whose reads and questions a test hears before they are answered."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.before: Interference = _nothing
        self.is_down: Exception | None = None

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore."""
        await self.before(key)
        async with aclosing(super().read(key, start=start, length=length)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        await self.before(key)
        return await super().stat(key)

    async def check(self) -> None:
        """See ObjectStore."""
        if self.is_down:
            raise self.is_down


async def audited(dock: Dock, *, reads: bool = True, first: int = 0) -> list[Finding]:
    """Give all findings, by reading everything or nothing."""
    auditor = Auditor(dock.pool, dock.store, grace=GRACE)
    async with aclosing(auditor.audit(lambda _: reads, first=first)) as findings:
        return [finding async for finding in findings]


async def kinds(dock: Dock, *, reads: bool = True) -> set[str]:
    """Give the kinds of all findings."""
    return {finding.kind.value for finding in await audited(dock, reads=reads)}


def aged(path: Path, by: timedelta = 2 * GRACE) -> None:
    """Make a file as old as that."""
    changed = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (changed, changed))
