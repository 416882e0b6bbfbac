from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = f"""#!/bin/sh
PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m services.cli "$@"
"""

TAB = """
eval "$(_CROSSDOCK_COMPLETE=source_bash crossdock)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_crossdock_completion crossdock
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Has ``crossdock`` on its PATH."""
    program = tmp_path / "crossdock"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["exp"], {"export", "exporter"}),
        (["import", "--over"], {"--overwrite", "--override"}),
        (["admin", "create-"], {"create-user", "create-token", "create-group"}),
        (["admin", "create-token", "ada", "--scope", ""], {"api", "read_api"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    typed: list[str], offered: set[str], environment: dict[str, str]
) -> None:
    done = subprocess.run(
        ["bash", "-c", TAB, "bash", "crossdock", *typed],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["crossdock"],
        env=environment | {"_CROSSDOCK_COMPLETE": f"source_{shell}"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"_CROSSDOCK_COMPLETE=complete_{shell}" in done.stdout


def test_bash_has_it_installed(tmp_path: Path, environment: dict[str, str]) -> None:
    subprocess.run(
        ["bash", "-c", "crossdock --install-completion; true"],
        env=environment | {"HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    assert "_crossdock_completion" in (tmp_path / ".bash_completions" / "crossdock.sh").read_text()
