from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def described() -> set[str]:
    """Name the targets that `make help` describes."""
    done = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, check=True)
    return set(re.findall(r"^make (\S+) +\S", done.stdout.decode(), re.MULTILINE))


def needed_for(target: str) -> list[str]:
    """Name what a target is made of."""
    rule = re.search(rf"^{target}:([^#\n]*)", MAKEFILE, re.MULTILINE)
    assert rule is not None
    return rule[1].split()


def test_the_hooks_before_a_commit_are_the_parts_of_the_check() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook["entry"] for hook in repository["hooks"]]
    assert repository["repo"] == "local"
    assert hooks == [f"make {part}" for part in needed_for("check")]
    assert len(hooks) == 4


def test_each_folder_of_tests_has_a_target() -> None:
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("*/test_*.py")}
    assert "unit" in folders
    assert folders <= described()
