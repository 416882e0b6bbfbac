"""Finds objects in the store that the index does not know."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import get_args

from shared.audit.findings import Finding, FindingKind
from shared.database.pool import Database
from shared.errors import ObjectMissing
from shared.ledger.objects import ObjectKind
from shared.storage.base import ObjectInfo, ObjectStore

_PAGE = 1000


async def find_orphans(
    db: Database, store: ObjectStore, *, grace: timedelta
) -> AsyncGenerator[Finding, None]:
    """Give the objects that have no row, and were committed at least a grace time ago.

    Keys that no kind of object has are those of others: what was put in for commands of the queue, for
    instance. Memory: a page of 1,000 keys, and what the listing holds.
    """
    until = datetime.now(UTC) - grace
    for kind in get_args(ObjectKind):
        async with aclosing(store.list(f"{kind}s/")) as found, aclosing(_old(found, until)) as pages:
            async for keys in pages:
                for key in await _without_row(db, keys):
                    if await _is_there(store, key):
                        yield Finding(kind=FindingKind.ORPHAN, key=key, reason="the index does not know it")


async def _old(found: AsyncGenerator[ObjectInfo, None], until: datetime) -> AsyncGenerator[list[str], None]:
    page: list[str] = []
    async for info in found:
        if info.committed_at is None or info.committed_at <= until:
            page.append(info.key)
        if len(page) == _PAGE:
            yield page
            page = []
    yield page


async def _without_row(db: Database, keys: list[str]) -> list[str]:
    # After the listing: an object has its row before its first byte, and until after its last.
    rows = await db.fetch("SELECT key FROM objects WHERE key = ANY($1)", keys)
    known = {row["key"] for row in rows}
    return [key for key in keys if key not in known]


async def _is_there(store: ObjectStore, key: str) -> bool:
    """Ask once more: the object may have been collected since it was listed."""
    try:
        await store.stat(key)
    except ObjectMissing:
        return False
    return True
