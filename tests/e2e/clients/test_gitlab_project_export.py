"""gitlab-project-export, a widely used backup script, and its counterpart for imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clients import installed
from tests.support.contents import assert_round_trip, contents
from tests.support.system import System


@dataclass(frozen=True, slots=True)
class Scripts:
    """The two scripts with a configuration each time of its own."""

    home: Path
    system: System
    folder: Path

    def run(self, script: str, *words: str, projects: tuple[str, ...] = ()) -> None:
        """Run a script to its end; asserts that it says it succeeded."""
        config = self.folder / "config.yaml"
        access = {"token": self.system.token, "gitlab_url": self.system.url}
        backup = {"destination": str(self.folder / "backups"), "project_dirs": False}
        names = {"backup_name": "{PROJECT_NAME}.tar.gz", "backup_time_format": "%Y"}
        # JSON is YAML as well.
        gitlab = {"access": access, "projects": projects}
        config.write_text(json.dumps({"gitlab": gitlab, "backup": backup | names}))
        done = subprocess.run(
            [sys.executable, str(self.home / "bin" / script), "-c", str(config), *words],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed("gitlab-project-export==0.1.2", tmp_path_factory.mktemp("gitlab-project-export"))


@pytest.fixture
def scripts(home: Path, system: System, tmp_path: Path) -> Scripts:
    return Scripts(home, system, tmp_path)


def test_the_scripts_import_overwrite_and_back_up_a_project(
    scripts: Scripts, name: str, small_archive: Path, long_archive: Path
) -> None:
    path = f"root/{name}"
    # The second time it asks for the status by the path of the project that is being overwritten.
    for archive in (small_archive, long_archive):
        scripts.run("gitlab-project-import.py", "-p", path, "-f", str(archive))
    scripts.run("gitlab-project-export.py", projects=(path,))
    backup = scripts.folder / "backups" / f"root-{name}.tar.gz"
    assert_round_trip(contents(long_archive), contents(backup))
