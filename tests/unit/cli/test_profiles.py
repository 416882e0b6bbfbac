from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from services.cli.errors import UsageError
from services.cli.profiles import (
    Profile,
    Profiles,
    read_profiles,
    remove_profile,
    run_token_command,
    write_profile,
)
from services.cli.server import DEFAULT_URL, find_server
from tests.support.command import run_beside
from tests.support.gitlab_stub import Script, answer, exported, imported

VAULT = Profile("https://vault.example.com", token="of-the-vault")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config" / "config.toml"
    monkeypatch.setenv("CROSSDOCK_CONFIG", str(file))
    for name in ("URL", "TOKEN", "TOKEN_FILE", "TOKEN_COMMAND", "PROFILE"):
        monkeypatch.delenv(f"CROSSDOCK_{name}", raising=False)
    return file


def test_a_profile_is_written_for_its_owner_alone_and_read_again(config: Path) -> None:
    write_profile("vault", VAULT, default=False)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    assert read_profiles().by_name == {"vault": VAULT}
    assert list(config.parent.iterdir()) == [config]


def test_the_first_profile_is_the_default_until_another_is_made_so(config: Path) -> None:
    write_profile("vault", VAULT, default=False)
    write_profile("gitlab", Profile("https://gitlab.example.com"), default=False)
    assert read_profiles().default == "vault"
    write_profile("gitlab", Profile("https://gitlab.example.com"), default=True)
    assert read_profiles().default == "gitlab"
    remove_profile("gitlab")
    assert (read_profiles().default, list(read_profiles().by_name)) == (None, ["vault"])
    assert config.exists()


def test_what_a_person_wrote_into_the_file_stays(config: Path) -> None:
    config.parent.mkdir()
    config.write_text("# ours\n\n[profiles.a]\nurl = 'http://a'  # the old one\n")
    write_profile("b", Profile("http://b", token='quo"te\\\n'), default=False)
    assert "# ours\n" in config.read_text()
    assert "# the old one\n" in config.read_text()
    assert read_profiles().find("b").token == 'quo"te\\\n'


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_tokens_that_others_may_read_are_refused(config: Path, mode: int) -> None:
    write_profile("vault", VAULT, default=False)
    config.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600"):
        read_profiles()


def test_a_file_without_tokens_may_be_read_by_others(config: Path) -> None:
    write_profile("vault", Profile("http://vault", token_command="cat /token"), default=False)
    config.chmod(0o644)
    assert read_profiles().find("vault").token_command == "cat /token"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profiles = 1", "Expected `object`"),
        ("[profiles.a]\nurl = 'http://a'\ntokn = 'x'", "unknown field `tokn`"),
        ("[profiles.a]\ntoken = 'x'", "missing required field `url`"),
        ("[profiles.a]\nurl = 'u'\ntoken = 'x'\ntoken_file = 'y'", "more than one source"),
        ("[profiles.'a:b']\nurl = 'u'", "cannot name a profile"),
        ("default = 'b'", "no profile of it"),
        ("[", "no file of profiles"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told_with_its_path(config: Path, text: str, told: str) -> None:
    config.parent.mkdir()
    config.write_text(text)
    with pytest.raises(UsageError, match=told) as refused:
        read_profiles()
    assert str(config) in str(refused.value) or "cannot name" in told


def test_an_unknown_profile_names_those_that_there_are(config: Path) -> None:
    write_profile("vault", VAULT, default=False)
    with pytest.raises(UsageError, match=r"no profile 'value' in .*config\.toml; there are vault"):
        find_server(profile="value")
    assert config.exists()


def test_a_profile_has_its_own_token_whatever_the_environment_has(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile("vault", VAULT, default=False)
    monkeypatch.setenv("CROSSDOCK_TOKEN_FILE", str(config))
    found = find_server(token="of-another-server", profile="vault")
    assert (found.url, found.required_token()) == (VAULT.url, "of-the-vault")


def test_the_default_profile_holds_only_where_neither_address_nor_token_is_given(config: Path) -> None:
    write_profile("vault", VAULT, default=False)
    assert find_server().url == VAULT.url
    assert find_server("http://other").find_token() == ""
    assert find_server(token="of-another-server").url == DEFAULT_URL
    assert config.exists()


def test_a_profile_beside_an_address_is_refused(config: Path) -> None:
    write_profile("vault", VAULT, default=False)
    with pytest.raises(UsageError, match="give one"):
        find_server("http://other", profile="vault")
    assert config.exists()


def test_a_token_command_runs_when_its_token_is_needed_and_not_before(config: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    write_profile("a", Profile("http://a", token_command=f"tee {ran}"), default=False)
    assert find_server(profile="a").url == "http://a"
    assert not ran.exists()
    assert config.exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("false", "ended with code 1"),
        ("true", "printed no token"),
        ("/does/not/exist", "cannot run"),
        ("'", "cannot run"),
        ("", "cannot run"),
    ],
)
def test_a_token_command_that_gives_no_token_is_a_usage_error(command: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        run_token_command(command)


def test_a_token_command_needs_no_shell_and_its_first_line_is_the_token() -> None:
    assert run_token_command("printf 'one $HOME\\nlogin: me\\n'") == "one $HOME"


async def test_a_token_is_tried_before_it_is_kept(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("glpat-1\nmore\n"))
    script = Script(answer({"username": "ada"}))
    async with script.server() as url:
        assert await run_beside(monkeypatch, "login", "vault", url, "--json") == 0
    assert script.asked[0].target == "/api/v4/user"
    assert script.asked[0].headers["Authorization"] == "Bearer glpat-1"
    assert json.loads(capsys.readouterr().out) == {
        "profile": "vault", "url": url, "user": "ada", "file": str(config),
    }  # fmt: skip
    assert read_profiles().find("vault").token == "glpat-1"


async def test_a_token_that_the_server_refuses_is_not_kept(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\n"))
    async with Script(answer({"message": "401 Unauthorized"}, 401)).server() as url:
        assert await run_beside(monkeypatch, "login", "vault", url) == 3
    assert read_profiles() == Profiles(config)


@pytest.mark.usefixtures("config")
async def test_any_command_takes_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(imported("finished"), exported("none"))
    async with script.server() as url:
        write_profile("vault", Profile(url, token="of-the-vault"), default=False)
        assert await run_beside(monkeypatch, "status", "one", "--profile", "vault") == 0
    assert {each.headers["Authorization"] for each in script.asked} == {"Bearer of-the-vault"}


@pytest.mark.usefixtures("config")
async def test_a_profile_that_the_command_names_goes_before_the_address_of_the_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(imported("finished"), exported("none"))
    monkeypatch.setenv("CROSSDOCK_URL", "http://other")
    async with script.server() as url:
        write_profile("vault", Profile(url, token="of-the-vault"), default=False)
        assert await run_beside(monkeypatch, "status", "one", "--profile", "vault") == 0
        monkeypatch.setenv("CROSSDOCK_PROFILE", "vault")
        assert await run_beside(monkeypatch, "status", "one") == 2
    assert {each.headers["Authorization"] for each in script.asked} == {"Bearer of-the-vault"}
    assert "by options or by CROSSDOCK_URL and CROSSDOCK_PROFILE: give one" in capsys.readouterr().err


@pytest.mark.usefixtures("config")
async def test_profiles_are_listed_without_their_tokens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_profile("vault", VAULT, default=False)
    write_profile("other", Profile("http://other", token_command="pass show x"), default=False)
    assert await run_beside(monkeypatch, "profiles") == 0
    told = capsys.readouterr().out
    assert "of-the-vault" not in told
    assert "pass show x" in told
    assert await run_beside(monkeypatch, "logout", "vault") == 0
    assert [*read_profiles().by_name] == ["other"]
