"""When a schedule is due: a line of cron in a time zone.

Where clocks are put forward or back, it is as with Debian's cron: a time that is skipped comes at once, and
one that comes twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.errors import CrossdockError, Fault

LONGEST_CRON = 200
_FIELDS = 5
_MINUTE = timedelta(minutes=1)
_NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}


class TimetableInvalid(CrossdockError):
    """The line of cron or the time zone cannot be read, or names no time at all."""

    code = "timetable_invalid"
    fault = Fault.CLIENT

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Timetable:
    """Times that recur. ``cron`` has five fields, or is a name such as ``@daily``."""

    cron: str
    time_zone: str = "UTC"

    def check(self, now: datetime) -> None:
        """Raise TimetableInvalid."""
        fields = _NAMES.get(self.cron, self.cron).split()
        if len(self.cron) > LONGEST_CRON or len(fields) != _FIELDS:
            raise TimetableInvalid(
                "cron", f"must have {_FIELDS} fields, and {LONGEST_CRON} characters at most"
            )
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, LookupError):
            raise TimetableInvalid("time_zone", "is no time zone, such as Europe/Zurich") from None
        try:
            self.after(now)
        except CronSimError as error:
            raise TimetableInvalid("cron", f"is invalid: {error}") from None
        except StopIteration:
            raise TimetableInvalid("cron", "names no time that will come") from None

    def after(self, moment: datetime) -> datetime:
        """Give the first time after a moment."""
        return next(self._times(moment))

    def upcoming(self, moment: datetime, *, most: int) -> list[datetime]:
        """Give the next times after a moment."""
        return list(islice(self._times(moment), most))

    def last_due(self, moment: datetime) -> datetime:
        """Give the last time that is not after a moment."""
        local = moment.astimezone(ZoneInfo(self.time_zone)).replace(second=0, microsecond=0)
        return next(CronSim(self._line, local + _MINUTE, reverse=True)).astimezone(UTC)

    def count_between(self, first: datetime, last: datetime, *, most: int) -> int:
        """Count the times from ``first``, which is one, to before ``last``, up to ``most``."""
        times = takewhile(lambda time: time < last, self._times(first))
        return min(most, (first < last) + sum(1 for _ in islice(times, most)))

    @property
    def _line(self) -> str:
        return _NAMES.get(self.cron, self.cron)

    def _times(self, moment: datetime) -> Iterator[datetime]:
        local = moment.astimezone(ZoneInfo(self.time_zone))
        return (time.astimezone(UTC) for time in CronSim(self._line, local))
