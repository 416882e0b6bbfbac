from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from services.cli import __main__ as command_line
from services.cli.fleet.places import open_place
from tests.support.command import run, run_beside
from tests.support.gitlab_stub import Script

PROFILES = """
[profiles.here]
url = "{url}"
token = "secret"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give what cannot be a folder, since it is a file."""
    file = tmp_path / "file"
    file.touch()
    return file


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "group/one", "-o", "{}/one.tar.gz"),
        ("quarantine", "group/one", "-o", "{}/refused.jsonl"),
        ("backup", "--all", "--to", "{}"),
        ("backup", "--all", "--to", "{}/below"),
    ],
)
async def test_what_cannot_be_written_is_wrong_usage_before_the_server_is_asked(
    arguments: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    script, words = Script(), [each.format(folder) for each in arguments]
    async with script.server() as url:
        assert await run_beside(monkeypatch, *words, "--url", url, "--token", "secret") == 2
    told = capsys.readouterr().err
    assert (str(folder) in told, told.count("\n"), script.asked) == (True, 1, [])


async def test_a_report_that_cannot_be_written_is_known_before_anything_is_copied(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, profiles = Script(), tmp_path / "config.toml"
    monkeypatch.setenv("CROSSDOCK_CONFIG", str(profiles))
    async with script.server() as url:
        profiles.write_text(PROFILES.format(url=url))
        profiles.chmod(0o600)
        words = ("copy", "here:a/b", "here:c", "--report", str(folder / "report.csv"))
        assert await run_beside(monkeypatch, *words) == 2
    assert (f"{folder} is a file, not a folder" in capsys.readouterr().err, script.asked) == (True, [])


def test_a_report_of_a_copy_that_copies_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("copy", "here:a/b", "here:c", "--dry-run", "--report", str(tmp_path / "report.csv"))
    assert run(monkeypatch, *words) == 2
    assert "--report tells what was copied, and --dry-run copies nothing" in capsys.readouterr().err


async def test_a_folder_for_archives_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    async with open_place(str(place), for_writing=True):
        assert list(place.iterdir()) == []


def test_any_other_error_of_a_file_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), "/var/one.tar.gz")

    monkeypatch.setattr(command_line, "app", fail)
    assert run(monkeypatch, "version") == 2
    assert capsys.readouterr().err == "crossdock: [Errno 13] Permission denied: '/var/one.tar.gz'\n"


@pytest.mark.parametrize("arguments", [("check", "{}"), ("admin", "list-users", "--data", "{}")])
def test_a_file_is_told_from_a_folder(
    arguments: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(monkeypatch, *(each.format(folder) for each in arguments)) == 2
    assert "is a file, not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("prune", "--keep-last", "1"), ("check",), ("restore", "--into", "a")])
def test_a_folder_that_is_not_there_is_no_backup_without_archives(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("CROSSDOCK_TOKEN", "secret")
    place, (command, *options) = tmp_path / "mistyped", arguments
    assert run(monkeypatch, command, str(place), *options) == 2
    assert f"there is no folder {place}" in capsys.readouterr().err
    assert not place.exists()
