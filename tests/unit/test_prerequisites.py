"""What a machine does not have is told at the end of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GIT = "tests/unit/git/test_bundle.py"


def test_the_end_of_a_run_says_which_program_is_missing_for_which_tests(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", GIT, "-k", "made_by_git"]
    run = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    assert "! NOT TESTED, for want of !" in run.stdout
    assert f"git (apt-get install git): 12 tests not run, of {GIT}" in run.stdout
