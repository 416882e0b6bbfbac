from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.__main__ import main
from services.cli.configuration import settings
from services.cli.errors import CommandError, JobFailed, RefusedByServer, ServerUnreachable, UsageError
from services.cli.imports import check_archive, overrides
from services.cli.server import find_server

NOT_FOR_HELP = ("aiohttp", "asyncpg", "pydantic", "msgspec", "structlog", "rich")


def crossdock(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Give the exit code of a command."""
    monkeypatch.setattr(sys, "argv", ["crossdock", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "PORT", "EXTERNAL_URL", "DATABASE_URL"):
        monkeypatch.delenv(f"CROSSDOCK_{name}", raising=False)


def test_help_loads_nothing_that_takes_time() -> None:
    program = "import sys, services.cli.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not set(NOT_FOR_HELP) & set(done.stdout.split())


def test_each_end_of_a_command_has_its_exit_code() -> None:
    codes = {error: error.exit_code for error in (JobFailed, UsageError, RefusedByServer, ServerUnreachable)}
    assert codes == {JobFailed: 1, UsageError: 2, RefusedByServer: 3, ServerUnreachable: 4}
    assert CommandError.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["status", "1"], "crossdock: no token: run crossdock login, set CROSSDOCK_TOKEN or give"),
        (
            ["import", "a.gz", "--path", "a", "--override", "x", "--token", "t"],
            "crossdock: --override takes key=value, not 'x'",
        ),
        (["status", "1", "--token", "t", "--url", "x"], "crossdock: 'x' is no URL: it has to begin with"),
        (["status", "1", "--token", "t\nX: y"], "crossdock: the token has control characters in it"),
        (
            ["status", "1", "--token", "\n"],
            "crossdock: no token: run crossdock login, set CROSSDOCK_TOKEN or give --token",
        ),
        (
            ["status", "1", "--token", "t", "--url", "http://host:port"],
            "crossdock: 'http://host:port' is no URL",
        ),
        (["standalone", "--port", "70000"], "crossdock: CROSSDOCK_PORT: Input should be less than"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crossdock(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith(sentence)
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize("token", ["secret\n", " secret\r\n"])
def test_what_a_file_has_around_a_token_is_no_part_of_it(token: str) -> None:
    assert find_server(token=token).required_token() == "secret"


def test_a_missing_option_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert crossdock(monkeypatch, "import", "a.gz") == 2


def test_a_database_that_is_not_there_is_one_line_and_exit_code_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert crossdock(monkeypatch, "admin", "list-users") == 4
    told = capsys.readouterr().err
    assert told.startswith("crossdock: the database does not answer")
    assert told.count("\n") == 1


def test_a_broker_that_is_not_there_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSDOCK_BROKER_URL", "amqp://nobody:secret@127.0.0.1:1/")
    assert crossdock(monkeypatch, "dead-letters", "list", "import") == 4
    told = "crossdock: no RabbitMQ answers at 127.0.0.1:1, which CROSSDOCK_BROKER_URL names\n"
    assert capsys.readouterr().err.endswith(told)


def test_what_a_broker_says_is_no_lack_of_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSDOCK_BROKER_URL", "amqp://[/")
    assert crossdock(monkeypatch, "dead-letters", "list", "import") not in {0, 4}
    assert capsys.readouterr().err == "crossdock: the URL of the broker is malformed\n"


def test_overrides_are_split_at_the_first_sign() -> None:
    assert overrides(["description=a=b", "visibility="]) == {"description": "a=b", "visibility": ""}


@pytest.mark.parametrize("pair", ["x", "=x"])
def test_an_override_without_key_or_sign_is_refused(pair: str) -> None:
    with pytest.raises(UsageError):
        overrides([pair])


def test_what_gitlab_would_refuse_by_name_is_not_uploaded(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    archive.touch()
    with pytest.raises(UsageError, match=r"does not end in \.gz"):
        check_archive(archive)
    with pytest.raises(UsageError, match="is no file"):
        check_archive(tmp_path / "missing.gz")


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"PK\3\4", "is no gzip archive")])
def test_what_is_no_archive_makes_no_project(tmp_path: Path, content: bytes, reason: str) -> None:
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        check_archive(archive)


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_PORT", "1")
    assert settings(port=2).port == 2
    assert settings(port=None).port == 1


@pytest.mark.parametrize("asked", ["--version", "-h"])
def test_the_usual_short_questions_are_answered(
    asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crossdock(monkeypatch, asked) == 0
    assert "crossdock" in capsys.readouterr().out


def test_an_archive_is_not_written_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert crossdock(monkeypatch, "export", "a", "-o", "-", "--token", "t") == 2
    assert "is a terminal" in capsys.readouterr().err
