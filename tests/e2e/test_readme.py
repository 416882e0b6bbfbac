"""Every command of README works as it stands, from top to bottom, for somebody who has prepared nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_ports
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MOST_LINES = 150


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody with a shell in ``folder``, who has run ``make install`` there."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self._folder = folder
        (folder / ".venv").symlink_to(Path(sys.prefix))
        self._env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}

    def _command(self, block: str) -> list[str]:
        text = block.replace("make install\n", "").replace("8080", str(self._port))
        return ["bash", "-euo", "pipefail", "-c", text]

    @contextmanager
    def served(self, block: str) -> Iterator[str]:
        """Run a block that serves until it is ended; give what it has said once it listens."""
        said = self._folder / "said"
        with said.open("wb") as output:
            server = subprocess.Popen(
                self._command(block),
                cwd=self._folder, env=self._env, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
            try:
                yield eventually(said.read_text, lambda text: "glpat-" in text and text.endswith("\n"))
            finally:
                os.killpg(server.pid, signal.SIGINT)
                server.wait(60)

    def run(self, blocks: list[str], program: str, *, token: str) -> str:
        """Type blocks into one shell, and a Python program behind them; give what they print."""
        env = self._env | {"PROGRAM": program, "LANG": "C.UTF-8"}
        words = self._command("".join((*blocks, '\npython -c "$PROGRAM"\n')))
        done = subprocess.run(
            words, cwd=self._folder, env=env, input=f"{token}\n", text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def test_every_command_of_readme_works_from_top_to_bottom(tmp_path: Path) -> None:
    server, *others = _blocks("sh")
    (program,) = _blocks("python")
    reader = Reader(tmp_path)
    with reader.served(server) as said:
        (token,) = re.findall(r"glpat-[\w-]{32}", said)
        printed = reader.run(others, program, token=token)
    archives = {path.name for path in tmp_path.glob("*.tar.gz")}
    assert archives == {"one_export.tar.gz", "one.tar.gz", "two.tar.gz", "three.tar.gz"}
    assert all((tmp_path / name).read_bytes()[:2] == b"\x1f\x8b" for name in archives)
    assert '"import_status":"finished"' in printed
    assert server.startswith("make install\n")


def test_readme_is_short_and_names_the_two_commands() -> None:
    assert len(README.splitlines()) <= MOST_LINES
    assert "\n    make demo\n    make test\n" in README


def test_the_commands_of_readme_are_in_blocks_that_the_test_runs() -> None:
    without = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^    (.+)$", without, re.MULTILINE) == ["make demo", "make test"]
