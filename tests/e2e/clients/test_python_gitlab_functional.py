from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import gitlab
import pytest

from tests.support.clients import extract, source_distribution
from tests.support.contents import assert_round_trip, contents
from tests.support.system import System
from tests.support.waiting import eventually

# The file's other tests need what Crossdock has not: exports of groups, and switching features.
DUE = ("test_project_import_export", "test_project_remote_import")


@pytest.fixture(scope="session")
def functional_test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """python-gitlab's test of import and export, as it is published, and nothing else of its tests."""
    downloads = tmp_path_factory.mktemp("downloads")
    archive = source_distribution("python-gitlab", downloads)
    name = "tests/functional/api/test_import_export.py"
    return extract(archive, name, tmp_path_factory.mktemp("functional-test"))


def test_the_functional_test_of_python_gitlab_passes_unmodified(
    system: System, functional_test: Path, small_archive: Path, gl: gitlab.Gitlab, tmp_path: Path
) -> None:
    checkout = Path(__file__).parents[3]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.e2e.clients.functional_fixtures"),
            *("-p", "no:cacheprovider", "--rootdir", str(functional_test.parent)),
            # It is marked as failing where GitLab's import is switched off, as it is by default.
            "--runxfail",
            *("--functional-url", system.url, "--functional-token", system.token),
            *("--functional-archive", str(small_archive), "--basetemp", str(tmp_path / "their")),
            *(f"{functional_test}::{name}" for name in DUE),
        ],
        cwd=functional_test.parent,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(checkout),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(DUE)} passed" in done.stdout
    assert_round_trip(contents(small_archive), contents(_exported(gl, "root/imported_project", tmp_path)))


def _exported(gl: gitlab.Gitlab, path: str, folder: Path) -> Path:
    """Export what the functional test imported, which it does not look into."""
    export = gl.projects.get(path).exports.create()
    eventually(lambda: export.refresh() or export, lambda status: status.export_status == "finished")
    target = folder / "imported.tar.gz"
    with target.open("wb") as file:
        export.download(streamed=True, action=file.write)
    return target
