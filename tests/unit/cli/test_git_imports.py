from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from services.cli import imports
from services.cli.client import ImportRequest
from services.cli.errors import UsageError
from tests.support.command import documented
from tests.support.gitlab_stub import Script, answer, crossdock, imported

ADDRESS = "https://git.example.com/a/b.git"
SOON = timedelta(seconds=20)


async def test_an_import_of_a_repository_gives_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer(), answer({"id": 3}), imported("scheduled"), imported("finished"))
    code, document = await documented(
        script, monkeypatch, capsys, "import-git", ADDRESS, "--path", "group/sub/one"
    )
    assert (code, document["state"], document["job"]) == (0, "finished", None)
    assert script.asked[1].target == "/api/v4/namespaces/group%2Fsub"
    sent = {"path": "one", "name": "one", "import_url": ADDRESS, "namespace_id": 3}
    assert (script.asked[2].target, json.loads(script.asked[2].body)) == ("/api/v4/projects", sent)


async def test_a_crossdock_creates_one_project_however_often_it_is_asked() -> None:
    script = Script(crossdock(), answer(status=503), imported("scheduled", job=5))
    async with script.client() as client:
        done = await imports.import_repository(client, ADDRESS, ImportRequest("one", name="One"), within=None)
    assert (done.job, done.state) == (5, "scheduled")
    assert json.loads(script.asked[-1].body) == {"path": "one", "name": "One", "import_url": ADDRESS}
    assert len({asked.headers["Idempotency-Key"] for asked in script.asked[1:]}) == 1


@pytest.mark.parametrize(
    ("text", "user"), [("ann:p@ss/w:d\n", "ann:p%40ss%2Fw%3Ad"), ("a-token", "git:a-token")]
)
def test_credentials_come_from_a_file(tmp_path: Path, text: str, user: str) -> None:
    (tmp_path / "secret").write_text(text)
    wanted = f"https://{user}@git.example.com/a/b.git"
    assert imports.with_credentials(ADDRESS, tmp_path / "secret") == wanted
    assert imports.with_credentials(ADDRESS, None) == ADDRESS


@pytest.mark.parametrize("address", [ADDRESS, "git.example.com/a.git"])
def test_credentials_that_cannot_be_had_are_wrong_usage(tmp_path: Path, address: str) -> None:
    file = tmp_path / ("none" if address == ADDRESS else "there")
    (tmp_path / "there").write_text("a-token")
    with pytest.raises(UsageError, match="cannot put the credentials into the address") as raised:
        imports.with_credentials(address, file)
    assert "a-token" not in str(raised.value)
