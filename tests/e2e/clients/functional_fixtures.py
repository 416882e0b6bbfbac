"""What python-gitlab's functional tests ask of their conftest, out of a running Crossdock.

Their own starts GitLab in a container and empties it; this plugin (``pytest -p``) takes a server as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gitlab
import pytest
from gitlab.v4.objects import Project

from tests.support.waiting import eventually


def pytest_addoption(parser: pytest.Parser) -> None:
    for name in ("url", "token", "archive"):
        parser.addoption(f"--functional-{name}", required=True)


@pytest.fixture(scope="session")
def temp_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("functional")


@pytest.fixture(scope="session")
def gl(pytestconfig: pytest.Config) -> Iterator[gitlab.Gitlab]:
    url, token = (pytestconfig.getoption(f"--functional-{name}") for name in ("url", "token"))
    with gitlab.Gitlab(url, private_token=token) as client:
        client.auth()
        yield client


@pytest.fixture(scope="module")
def project(gl: gitlab.Gitlab, pytestconfig: pytest.Config) -> Project:
    """A project with content, where their own fixture makes an empty one."""
    with Path(pytestconfig.getoption("--functional-archive")).open("rb") as file:
        output = gl.projects.import_project(file, "functional-source")
    assert isinstance(output, dict)
    found = gl.projects.get(output["id"])
    eventually(found.imports.get, lambda status: status.import_status == "finished")
    return found
