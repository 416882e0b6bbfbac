from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from services.cli import terminal
from services.cli.terminal import (
    Measure,
    ObjectCounts,
    print_table,
    replace_unprintable,
    show_job,
    show_transfer,
)


def test_what_comes_from_an_archive_cannot_drive_the_terminal() -> None:
    assert replace_unprintable("a\x1b]0;evil\x07b\nc") == "a\ufffd]0;evil\ufffdb\ufffdc"


def test_elsewhere_than_on_a_terminal_a_transfer_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with show_transfer("Uploading") as report:
        report(500, 2000)
        report(2000, 2000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Uploading: 2.0 kB, ")
    assert shown.err.count("\n") == 1
    assert "\x1b" not in shown.err


def test_a_transfer_that_the_server_let_wait_tells_no_rate_before_it_has_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("services.cli.terminal.time.monotonic", lambda: now)
    with show_transfer("Downloading") as report:
        now = 30.0
        report(1000, 4000)
        now = 32.0
        report(4000, 4000)
    assert capsys.readouterr().err == "Downloading: 4.0 kB, 2.0 kB/s, 2.0 s\n"


def test_what_was_there_before_counts_for_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with show_transfer("Downloading", begun=2000) as report:
        report(2000, 2000)
    assert capsys.readouterr().err.startswith("Downloading: 2.0 kB, 0 bytes/s")


def test_elsewhere_than_on_a_terminal_a_state_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with show_job("Importing") as show:
        for state in ("scheduled", "started", "started", "finished"):
            show(state, None)
    told = capsys.readouterr().err.splitlines()
    assert told == ["Importing: scheduled", "Importing: started", "Importing: finished"]


def test_elsewhere_than_on_a_terminal_a_table_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("relation", "line"), [("issues", 3), ("[red]labels", "-")])
    assert capsys.readouterr().out.splitlines() == ["relation  line", "issues  3", "[red]labels  -"]


def test_how_far_a_job_is_is_told_with_its_state_and_then_as_often_as_a_transfer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Measure(done=500_000, total=2_000_000, lines=1234, rate=100_000, remaining=15)
    with show_job("Importing") as show:
        show("started", measure)
        show("started", measure)
        monkeypatch.setattr(terminal, "_PLAIN_INTERVAL", 0)
        show("started", measure)
    told = capsys.readouterr().err.splitlines()
    assert told == ["Importing: started, 500.0 kB of 2.0 MB, 1,234 lines, 100.0 kB/s, 0:00:15 left"] * 2


def test_what_is_not_known_of_a_job_is_not_told() -> None:
    assert str(Measure(done=500, total=None, lines=0, rate=None, remaining=None)) == "500 bytes"


def test_the_objects_of_github_are_told_with_those_of_most_types_and_until_when_it_waits() -> None:
    fetched = {"issue": 1200, "label": 3, "note": 9000, "release": 1, "milestone": 2}
    counts = ObjectCounts(fetched, {"issue": 7, "note": 8000}, datetime(2026, 11, 28, 1, 2, 3, tzinfo=UTC))
    assert str(counts) == (
        "8,007 of 10,206 objects (note 8,000/9,000, issue 7/1,200, label 0/3, milestone 0/2), "
        "GitHub takes no more requests until 01:02:03 UTC"
    )
    assert str(ObjectCounts({}, {})) == "0 of 0 objects"


def on_a_terminal(measure: Measure | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a person sees last of a job."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(terminal, "Console", lambda **_: console)
    with show_job("Importing") as show:
        show("[red]started", measure)
    return screen.getvalue()


def test_on_a_terminal_there_is_a_bar_once_it_is_known_how_far_a_job_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "\u2501" not in on_a_terminal(None, monkeypatch)
    shown = on_a_terminal(Measure(done=1, total=2, lines=7, rate=None, remaining=None), monkeypatch)
    assert "Importing: [red]started" in shown
    assert "\u2501" in shown
    assert "1 byte of 2 bytes, 7 lines" in shown
