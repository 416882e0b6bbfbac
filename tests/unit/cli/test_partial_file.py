from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from services.cli.archive_check import DownloadCorrupted
from services.cli.errors import (
    CommandError,
    FileUnwritable,
    JobFailed,
    RefusedByServer,
    ServerUnreachable,
    UsageError,
)
from services.cli.partial_file import open_partial_file

ETAG = '"one.two/3"'
COMMAND = "command"


def write(
    target: Path,
    error: BaseException | None = None,
    *,
    data: bytes = b"new",
    validator: str | None = ETAG,
    command: str = COMMAND,
) -> None:
    with open_partial_file(target, command) as part:
        part.name(validator)
        part.file.write(data)
        if error is not None:
            raise error


def left(target: Path, error: BaseException, *, validator: str | None = ETAG) -> list[Path]:
    """Give what a run that ended in ``error`` left beside the target."""
    with pytest.raises(type(error)):
        write(target, error, validator=validator)
    return [path for path in target.parent.iterdir() if path != target]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.tar.gz"


def test_a_file_appears_when_it_is_whole(target: Path) -> None:
    with open_partial_file(target, COMMAND) as part:
        part.file.write(b"data")
        assert [each.name for each in target.parent.iterdir()] == ["out.tar.gz.part"]
    assert target.read_bytes() == b"data"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    "error", [ServerUnreachable(""), RefusedByServer(401, ""), asyncio.CancelledError(), KeyboardInterrupt()]
)
def test_what_arrived_is_kept(error: BaseException, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept,) = left(target, error)
    assert kept.read_bytes() == b"new"
    assert capsys.readouterr().err == f"Kept what arrived as {kept}: the same command goes on with it\n"


@pytest.mark.parametrize("error", [DownloadCorrupted(""), JobFailed(""), ZeroDivisionError()])
def test_what_is_in_doubt_is_not_kept_and_the_target_stays(error: BaseException, target: Path) -> None:
    target.write_bytes(b"old")
    assert left(target, error) == []
    assert target.read_bytes() == b"old"


def test_without_a_validator_nothing_is_kept(target: Path) -> None:
    assert left(target, ServerUnreachable(""), validator=None) == []


def test_where_nothing_arrived_nothing_is_kept(target: Path) -> None:
    with pytest.raises(ServerUnreachable):
        write(target, ServerUnreachable(""), data=b"")
    assert list(target.parent.iterdir()) == []


def test_a_name_that_no_file_can_have_is_not_kept(target: Path) -> None:
    assert left(target, ServerUnreachable(""), validator=f'"{"x" * 300}"') == []


@pytest.mark.parametrize("validator", [ETAG, '""', '"a-b"', '"%41"', "Sun, 22 Nov 2026 21:00:00 GMT"])
def test_a_name_holds_the_validator(validator: str, target: Path) -> None:
    left(target, ServerUnreachable(""), validator=validator)
    with open_partial_file(target, COMMAND) as part:
        assert part.is_begun
        assert part.validator == validator
        part.file.write(b"er")
    assert target.read_bytes() == b"newer"
    assert list(target.parent.iterdir()) == [target]


def test_another_command_does_not_go_on_with_it(target: Path) -> None:
    left(target, ServerUnreachable(""))
    with open_partial_file(target, "another") as part:
        assert not part.is_begun


def test_no_part_of_the_target_outlives_it(target: Path) -> None:
    left(target, ServerUnreachable(""))
    (target.parent / "out.tar.gz.part").write_bytes(b"of a process that was killed")
    write(target, command="another")
    assert list(target.parent.iterdir()) == [target]


def test_parts_of_other_targets_stay(target: Path) -> None:
    (kept,) = left(target, ServerUnreachable(""))
    for name in ("out", "out.tar", "out.tar.gz.old"):
        write(target.with_name(name))
    assert kept.exists()


@pytest.mark.parametrize(
    "word", ["-book", ".signed", ".notes-2026", ".one-0123456x", ".a b-01234567", ".a.b-01234567"]
)
def test_files_of_others_that_are_called_parts_stay(word: str, target: Path) -> None:
    theirs = target.with_name(f"{target.name}{word}.part")
    theirs.write_bytes(b"theirs")
    write(target)
    assert theirs.read_bytes() == b"theirs"


@pytest.mark.parametrize("old", [b"old", None])
def test_what_a_link_points_to_is_replaced_and_the_link_stays(old: bytes | None, target: Path) -> None:
    elsewhere = target.with_name("elsewhere")
    elsewhere.mkdir()
    if old is not None:
        (elsewhere / "file").write_bytes(old)
    target.symlink_to("elsewhere/file")
    write(target)
    assert target.is_symlink()
    assert target.read_bytes() == (elsewhere / "file").read_bytes() == b"new"
    assert len(list(elsewhere.iterdir())) == 1


def test_what_is_no_file_is_not_replaced(target: Path) -> None:
    os.mkfifo(target)
    link, loop = target.with_name("link"), target.with_name("loop")
    link.symlink_to(target)
    loop.symlink_to(loop)
    for each in (target, link, loop):
        with pytest.raises(UsageError, match=r"^[^\n]+$"):
            write(each)
    assert target.is_fifo()


def test_a_part_is_written_by_one_command_at_a_time(target: Path) -> None:
    left(target, ServerUnreachable(""))
    with (
        open_partial_file(target, COMMAND),
        pytest.raises(UsageError, match="is being written by another command"),
    ):
        write(target)


@pytest.mark.parametrize(("name", "error"), [(".", UsageError), ("missing/out.tar.gz", FileUnwritable)])
def test_a_place_that_cannot_be_written_is_one_clear_line(
    name: str, error: type[CommandError], tmp_path: Path
) -> None:
    with pytest.raises(error, match=r"^[^\n]+$"):
        write(tmp_path / name)
