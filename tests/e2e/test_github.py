"""The way from GitHub to an archive of GitLab, by the commands that services/cli/README.md has for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.github.hub import Hub
from tests.support.system import System

ROOT = Path(__file__).parents[2]
STAGES = ("--attachments", "--release-assets")


def _commands() -> list[str]:
    """The commands of crossdock in the section, in their order."""
    text = (ROOT / "services/cli/README.md").read_text()
    section = text.partition("## From GitHub to a GitLab archive")[2].partition("\n## ")[0]
    return re.findall(r"^       crossdock (.+)$", section, re.MULTILINE)


def _run(
    system: System, keys: tuple[Path, Path], folder: Path, words: list[str], *, token: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a user would."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CROSSDOCK_URL": system.url,
        "CROSSDOCK_TOKEN": system.token,
        "GH_ENTERPRISE_TOKEN": token,
        "SSL_CERT_FILE": str(keys[1]),
        "PYTHONPATH": str(ROOT),
    }
    # A process that begins with its modules loaded has read the certificates before.
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *words],
        cwd=folder, env=environment, capture_output=True, check=False,
    )  # fmt: skip


def test_the_way_from_github_to_an_archive_is_as_readme_says(
    system: System, hub: Hub, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    hub.repository.release("v3", by=hub.repository.owner).asset("tool.bin", b"a tool", "application/zip")
    picture = hub.github.attachment("/user-attachments/assets/0b1c", b"a picture")
    hub.repository.issues[0].body = f"![x]({picture})"
    shown = []
    for words in map(str.split, _commands()):
        if words[0] == "import-github":
            assert set(STAGES) <= set(words)
            words = [*words, "--enterprise", hub.address]  # noqa: PLW2901  # github.com is not for tests
        given = [word.replace("octo/hello-world", "octo/everything") for word in words]
        done = _run(system, keys, tmp_path, given, token=hub.token)
        assert done.returncode == 0, done.stderr.decode()
        shown.append(done.stdout.decode() + done.stderr.decode())
    assert "pull_request  4  4" in shown[0]
    assert "issue_attachment  1  1" in shown[0]
    assert (tmp_path / "hello-world.tar.gz").exists()
    assert hub.token not in "".join(shown)


def test_a_token_that_github_does_not_know_is_exit_code_3_of_whoever_asks(
    standalone_system: System, hub: Hub, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    told = []
    for repository in ("octo/everything", str(hub.number)):
        words = ["import-github", repository, "--path", "root/refused", "--enterprise", hub.address]
        done = _run(standalone_system, keys, tmp_path, words, token="ghp_wrong")
        assert done.returncode == 3
        told.append(done.stderr.decode())
    assert "crossdock: GitHub refused: Bad credentials (HTTP 401)" in told[0]
    assert "crossdock: the server refused: Your GitHub personal access token does not have" in told[1]
    assert "ghp_wrong" not in "".join(told)
