"""Which archives of a project are kept, and which may go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from services.cli.errors import UsageError
from services.cli.fleet.catalogue import (
    ArchiveRecord,
    Catalogue,
    forget,
    read_catalogue,
    time_of,
    write_catalogue,
)
from services.cli.terminal import print_result, print_table
from shared.storage.base import ObjectStore

_LEFT_OVER = timedelta(days=2)
"""How old an archive without a record has to be before it is taken for what a dead run left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How many of the newest archives of a project are kept; then of how many days, weeks, months, years.

    The newest archive of each day counts, in UTC, of as many days as have one, and so on (restic's rule). The
    newest of all always stays.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    def __post_init__(self) -> None:
        if not any((self.last, self.daily, self.weekly, self.monthly, self.yearly)):
            raise UsageError("say what to keep: --keep-last, --keep-daily, --keep-weekly, ...")

    def keep(self, records: Sequence[ArchiveRecord]) -> set[str]:
        """Give the files of those that are kept, of the archives of one project, the oldest first."""
        newest = [*reversed(records)]
        kept = {newest[0].file} | {record.file for record in newest[: self.last]}
        for count, period in (
            (self.daily, "%Y-%m-%d"),
            (self.weekly, "%G-%V"),
            (self.monthly, "%Y-%m"),
            (self.yearly, "%Y"),
        ):
            kept |= _newest_of_each(newest, count, period)
        return kept


def _newest_of_each(newest: Iterable[ArchiveRecord], count: int, form: str) -> set[str]:
    """Give the newest of each of ``count`` periods, which the ``form`` of strftime tells apart."""
    found: dict[str, str] = {}
    for record in newest:
        period = record.time.strftime(form)
        if period not in found and len(found) == count:
            break
        found.setdefault(period, record.file)
    return set(found.values())


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
        print_result(f"{len(self.removed)} archives {verb}, {self.bytes} bytes; {self.kept} kept")


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
