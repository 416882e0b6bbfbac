from __future__ import annotations

import pytest

from services.cli.terminal import printable, table, transfer, waiting


def test_what_comes_from_an_archive_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b]0;evil\x07b\nc") == "a\ufffd]0;evil\ufffdb\ufffdc"


def test_elsewhere_than_on_a_terminal_a_transfer_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with transfer("Uploading") as report:
        report(500, 2000)
        report(2000, 2000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Uploading: 2.0 kB, ")
    assert shown.err.count("\n") == 1
    assert "\x1b" not in shown.err


def test_what_was_there_before_counts_for_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with transfer("Downloading", begun=2000) as report:
        report(2000, 2000)
    assert capsys.readouterr().err.startswith("Downloading: 2.0 kB, 0 bytes/s")


def test_elsewhere_than_on_a_terminal_a_state_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("Importing") as show:
        for state in ("scheduled", "started", "started", "finished"):
            show(state)
    told = capsys.readouterr().err.splitlines()
    assert told == ["Importing: scheduled", "Importing: started", "Importing: finished"]


def test_elsewhere_than_on_a_terminal_a_table_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    table("", ("relation", "line"), [("issues", 3), ("[red]labels", "-")])
    assert capsys.readouterr().out.splitlines() == ["relation  line", "issues  3", "[red]labels  -"]
