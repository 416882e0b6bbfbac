from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from services.cli import github_imports as github
from services.cli.errors import RefusedByGitHub, RefusedByServer, UsageError
from services.cli.github_imports import GitHubRepository, import_from_github
from tests.support.command import documented
from tests.support.gitlab_stub import Script, answer, crossdock, imported, job

SOON = timedelta(seconds=20)
TOKEN = "ghp_s3cret"
STATS = {"fetched": {"issue": 3, "note": 9}, "imported": {"issue": 3, "note": 8}}


@pytest.fixture(autouse=True)
def _no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tokens of whoever runs the tests out of them."""
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def made(status: str = "scheduled") -> Mapping[str, object]:
    return {"id": 7, "full_path": "/group/one", "import_status": status}


async def test_an_import_of_a_repository_by_its_name_gives_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Script(answer({"id": 4711, "full_name": "octo/one"}))
    gitlab = Script(
        answer(), answer(made(), 201), imported("started", stats=STATS), imported("finished", stats=STATS)
    )
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
    async with hub.server() as enterprise:
        code, document = await documented(
            gitlab, monkeypatch, capsys, "import-github", "octo/one", "--path", "group/sub/one",
            "--enterprise", enterprise, "--attachments", "--release-assets",
        )  # fmt: skip
    assert (code, document["state"], document["job"], document["stats"]) == (0, "finished", None, STATS)
    asked = hub.asked[0]
    assert (asked.target, asked.headers["Authorization"]) == ("/api/v3/repos/octo/one", f"Bearer {TOKEN}")
    assert gitlab.asked[1].target == "/api/v4/import/github"
    assert json.loads(gitlab.asked[1].body) == {
        "personal_access_token": TOKEN,
        "repo_id": 4711,
        "target_namespace": "group/sub",
        "new_name": "one",
        "github_hostname": enterprise,
        "optional_stages": {"attachments_import": True, "release_assets_import": True},
    }


async def test_the_address_of_its_page_names_the_repository_and_its_enterprise_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub, gitlab = Script(answer({"id": 4711})), Script(answer(), answer(made(), 201))
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
    async with hub.server() as enterprise:
        page = f"{enterprise}/octo/one/issues"
        await documented(gitlab, monkeypatch, capsys, "import-github", page, "--path", "g/one", "--no-wait")
    assert [each.target for each in hub.asked] == ["/api/v3/repos/octo/one"]
    sent = json.loads(gitlab.asked[1].body)
    assert (sent["repo_id"], sent["github_hostname"]) == (4711, enterprise)


def test_an_address_and_an_enterprise_server_have_to_fit() -> None:
    named = "https://github.com/octo/one"
    assert github.hub_of(named, enterprise=None) is None
    with pytest.raises(UsageError, match="is not the GitHub of the address"):
        github.hub_of(named, enterprise="https://github.example.com")


def wanted(name: str = "4711", enterprise: str | None = None) -> GitHubRepository:
    return GitHubRepository(name=name, enterprise=enterprise, token=TOKEN)


async def test_by_its_number_no_github_is_asked_and_it_goes_to_the_users_own_namespace() -> None:
    script = Script(
        answer({"username": "ann"}), crossdock(), answer(status=503), answer(made(), 201, X_Crossdock_Job="5")
    )
    async with script.client() as client:
        done = await import_from_github(client, wanted(), "one", stages={}, within=None)
    assert (done.job, done.state, done.stats) == (5, "scheduled", None)
    sent = json.loads(script.asked[-1].body)
    assert sent == {
        "personal_access_token": TOKEN,
        "repo_id": 4711,
        "target_namespace": "ann",
        "new_name": "one",
        "optional_stages": {},
    }
    assert len({asked.headers["Idempotency-Key"] for asked in script.asked[2:]}) == 1


async def test_it_is_told_how_far_it_is_and_until_when_it_waits_for_github(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting = job("queued") | {"error_code": "github_limit", "due_at": "2026-11-28T01:02:03.000Z"}
    failed = {"relation_name": "issue", "exception_message": "no title", "exception_class": "ArgumentError"}
    script = Script(
        crossdock(),
        answer(made(), 201, X_Crossdock_Job="5"),
        imported("scheduled", stats=STATS),
        answer(waiting),
        imported("started", stats=STATS),
        imported("finished", stats=STATS, failed_relations=[failed]),
    )
    async with script.client() as client:
        done = await import_from_github(client, wanted(), "group/one", stages={}, within=SOON)
    told = capsys.readouterr().err
    assert (
        "scheduled, 11 of 12 objects (note 8/9, issue 3/3), GitHub takes no more requests until 01:02:03 UTC"
        in told
    )
    assert "Importing: started, 11 of 12 objects (note 8/9, issue 3/3)\n" in told
    assert "no title" in told
    assert len(done.failed_relations) == 1
    assert TOKEN not in told


async def test_what_the_server_says_of_it_is_the_error() -> None:
    refusal = answer({"errors": "You are not allowed to import projects in this namespace."}, 422)
    disabled = answer({"errors": ["github import source is disabled"]}, 403)
    for refused, said in ((refusal, "You are not allowed"), (disabled, "github import source is disabled")):
        async with Script(answer(), refused).client() as client:
            with pytest.raises(RefusedByServer, match=said):
                await import_from_github(client, wanted(), "group/one", stages={}, within=None)


async def test_what_github_says_of_the_repository_is_told_as_githubs() -> None:
    hub = Script(answer({"message": "Bad credentials"}, 401))
    async with hub.server() as enterprise, Script().client() as client:
        with pytest.raises(RefusedByGitHub) as raised:
            await import_from_github(client, wanted("o/r", enterprise), "g/one", stages={}, within=None)
    assert str(raised.value) == "GitHub refused: Bad credentials (HTTP 401)"
    assert (raised.value.exit_code, raised.value.error_code) == (3, "refused_by_github")


@pytest.mark.parametrize(
    "name", ["one", "a/b/c", "../..", "a/..", "a/.", "https://github.com/a", "a/b?x", "", "٤"]
)
async def test_what_names_no_repository_is_wrong_usage(name: str) -> None:
    async with Script().client() as client:
        with pytest.raises(UsageError, match="is no repository"):
            await import_from_github(client, wanted(name), "g/one", stages={}, within=None)


@pytest.mark.parametrize(
    "address", ["github.example.com", "ftp://x", "https://u:p@x", "https://x?y=1", "http://[x", ""]
)
async def test_what_is_no_address_of_a_github_is_wrong_usage(address: str) -> None:
    async with Script().client() as client:
        with pytest.raises(UsageError, match="is no URL"):
            await import_from_github(client, wanted("o/r", address), "g/one", stages={}, within=None)


def test_a_token_comes_from_a_file_a_command_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("of-a-file\n")
    monkeypatch.setenv("GITHUB_TOKEN", "second")
    assert github.find_token(tmp_path / "token", None, enterprise=None) == "of-a-file"
    assert github.find_token(None, "echo of-a-command", enterprise=None) == "of-a-command"
    assert github.find_token(None, None, enterprise=None) == "second"
    monkeypatch.setenv("GH_TOKEN", "first")
    assert github.find_token(None, None, enterprise=None) == "first"


def test_a_token_of_github_com_is_not_taken_for_another_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "first")
    with pytest.raises(UsageError, match="GH_ENTERPRISE_TOKEN"):
        github.find_token(None, None, enterprise="https://github.example.com")
    monkeypatch.setenv("GITHUB_ENTERPRISE_TOKEN", "own")
    assert github.find_token(None, None, enterprise="https://github.example.com") == "own"


@pytest.mark.parametrize("command", [None, "echo x"])
def test_a_token_that_cannot_be_had_is_wrong_usage(tmp_path: Path, command: str | None) -> None:
    with pytest.raises(UsageError):
        github.find_token(tmp_path / "none", command, enterprise=None)
