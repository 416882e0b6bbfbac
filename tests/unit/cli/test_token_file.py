from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.errors import UsageError
from services.cli.server import find_server
from tests.support.command import run_beside
from tests.support.gitlab_stub import Script, exported, imported


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "token"
    file.write_text("of-the-file\n")
    monkeypatch.setenv("CROSSDOCK_TOKEN_FILE", str(file))
    monkeypatch.delenv("CROSSDOCK_TOKEN", raising=False)
    return file


@pytest.mark.usefixtures("file")
async def test_the_token_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(imported("finished"), exported("none"))
    async with script.server() as url:
        assert await run_beside(monkeypatch, "status", "one", "--url", url) == 0
    assert script.asked[0].headers["Authorization"] == "Bearer of-the-file"


@pytest.mark.usefixtures("file")
def test_a_token_that_is_given_goes_before_that_of_a_file() -> None:
    assert find_server(token="given").required_token() == "given"


@pytest.mark.parametrize("content", [None, b"", b"\xff"])
def test_a_file_without_a_token_is_a_usage_error(file: Path, content: bytes | None) -> None:
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(UsageError, match="CROSSDOCK_TOKEN_FILE"):
        find_server().required_token()
