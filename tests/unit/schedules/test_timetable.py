from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.schedules.timetable import LONGEST_CRON, Timetable, TimetableInvalid

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("cron", ["0 2 * * *", "*/5 8-18 * * MON-FRI", "0 0 29 2 *", "@daily", "@yearly"])
def test_a_line_of_cron_is_taken(cron: str) -> None:
    Timetable(cron, "Europe/Zurich").check(NOON)


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("0 2 * *", "UTC", "cron must have 5 fields"),
        ("* * * * * *", "UTC", "cron must have 5 fields"),
        ("@reboot", "UTC", "cron must have 5 fields"),
        ("0," * LONGEST_CRON + "0 * * * *", "UTC", "characters at most"),
        ("60 * * * *", "UTC", "cron is invalid: Bad minute"),
        ("0 0 30 2 *", "UTC", "cron is invalid: Bad day-of-month"),
        ("0 2 * * *", "Europe/Zurrich", "time_zone is no time zone"),
        ("0 2 * * *", "../../etc/passwd", "time_zone is no time zone"),
        ("0 2 * * *", "a\0b", "time_zone is no time zone"),
    ],
)
def test_what_names_no_time_is_refused(cron: str, zone: str, said: str) -> None:
    with pytest.raises(TimetableInvalid, match=said):
        Timetable(cron, zone).check(NOON)


def test_times_are_those_of_the_time_zone() -> None:
    table = Timetable("0 2 * * *", "Europe/Zurich")
    assert table.upcoming(NOON, most=2) == [at("2026-11-29T01:00"), at("2026-11-30T01:00")]
    assert Timetable("0 2 * * *").after(NOON) == at("2026-11-29T02:00")


def test_an_hour_that_is_skipped_or_comes_twice_has_one_run() -> None:
    table = Timetable("30 2 * * *", "Europe/Zurich")
    assert table.upcoming(at("2026-03-28T12:00"), most=2) == [at("2026-03-29T01:00"), at("2026-03-30T00:30")]
    assert table.upcoming(at("2026-10-24T12:00"), most=2) == [at("2026-10-25T00:30"), at("2026-10-26T01:30")]


def test_the_last_time_that_is_due_may_be_this_minute() -> None:
    table = Timetable("0 * * * *")
    assert table.last_due(NOON) == NOON
    assert table.last_due(NOON + timedelta(seconds=59)) == NOON
    assert table.last_due(NOON - timedelta(microseconds=1)) == NOON - timedelta(hours=1)


def test_the_times_that_were_missed_are_counted_up_to_a_bound() -> None:
    table = Timetable("0 * * * *")
    assert table.count_between(NOON, NOON, most=100) == 0
    assert table.count_between(NOON, NOON + timedelta(hours=3), most=100) == 3
    assert table.count_between(NOON, NOON + timedelta(days=3650), most=100) == 100
