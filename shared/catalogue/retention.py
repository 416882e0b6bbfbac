"""Which archives of a project are kept, and which may go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from shared.catalogue.archives import ArchiveRecord


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

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing of what to keep."""
        return not any(astuple(self))

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
