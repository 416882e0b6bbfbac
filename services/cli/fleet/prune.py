"""Removes the archives of a place that nobody wants to keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from services.cli.errors import UsageError
from services.cli.formats import counted
from services.cli.terminal import print_result, print_table
from shared.catalogue.archives import (
    ArchiveRecord,
    Catalogue,
    forget,
    read_catalogue,
    time_of,
    write_catalogue,
)
from shared.catalogue.retention import Policy
from shared.storage.base import ObjectStore

_LEFT_OVER = timedelta(days=2)
"""How old an archive without a record has to be before it is taken for what a dead run left."""


def read_policy(*, last: int, daily: int, weekly: int, monthly: int, yearly: int) -> Policy:
    """Give the policy of the options. Raises UsageError where they keep nothing."""
    policy = Policy(last=last, daily=daily, weekly=weekly, monthly=monthly, yearly=yearly)
    if policy.is_empty:
        raise UsageError("say what to keep: --keep-last, --keep-daily, --keep-weekly, ...")
    return policy


class PruneResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock prune``: what was removed, or would be."""

    dry_run: bool
    kept: int
    removed: Sequence[str]
    bytes: int

    def show(self) -> None:
        """See Result."""
        if self.removed:
            print_table("", ("file",), [(file,) for file in self.removed])
        verb = "would be removed" if self.dry_run else "removed"
        removed = counted(len(self.removed), "archive")
        print_result(f"{removed} {verb}, {counted(self.bytes, 'byte')}; {self.kept} kept")


async def prune(store: ObjectStore, policy: Policy, *, now: datetime, dry_run: bool) -> PruneResult:
    """Remove archives that the policy does not keep, and what dead runs left without a record.

    May be repeated; a run that is cut off has removed whole archives.
    """
    catalogue = await read_catalogue(store)
    going = [
        record
        for records in catalogue.by_project().values()
        for kept in (policy.keep(records),)
        for record in records
        if record.file not in kept
    ]
    left = [file for file in catalogue.unrecorded if now - time_of(file) > _LEFT_OVER]
    if not dry_run:
        await _remove(store, catalogue, going, left)
    return PruneResult(
        dry_run=dry_run,
        kept=len(catalogue) - (len(going) if dry_run else 0),
        removed=[*(record.file for record in going), *left],
        bytes=sum(record.bytes for record in going),
    )


async def _remove(
    store: ObjectStore, catalogue: Catalogue, going: Sequence[ArchiveRecord], left: Sequence[str]
) -> None:
    try:
        for record in going:
            await forget(store, record)
            catalogue.remove(record)
        await store.delete(left)
    finally:
        await write_catalogue(store, catalogue)
