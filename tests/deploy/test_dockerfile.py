from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.dockerfile import DOCKERFILE, ROOT, Copy, Run, stages

HADOLINT = str(Path(sys.executable).with_name("hadolint"))
SERVICES = ("api", "importer", "exporter", "migrate")
LOCKS = ("deploy/build.lock", "deploy/runtime.lock")


def pins(lock: str) -> dict[str, str]:
    """Give each pin of a lock, with its hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    return {entry.partition(" ")[0]: entry.partition("--hash")[2] for entry in entries}


def plain(requirement: str) -> str:
    """Give the name in a requirement."""
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None
    return match[0].replace("_", "-").lower()


def names(lock: str) -> set[str]:
    return {plain(pin) for pin in pins(lock)}


def test_hadolint_has_nothing_against_it() -> None:
    done = subprocess.run([HADOLINT, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(DOCKERFILE.read_text().replace("WORKDIR /source", "WORKDIR source"))
    done = subprocess.run([HADOLINT, str(wrong)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DL3000" in done.stdout


def test_every_service_is_a_target_that_differs_by_its_command_alone() -> None:
    found = stages(DOCKERFILE.read_text())
    for service in SERVICES:
        assert found[service].base == "service"
        assert found[service].steps == []
        assert found[service].command == [service]


def test_no_service_runs_as_root() -> None:
    found = stages(DOCKERFILE.read_text())
    assert {found[service].user for service in SERVICES} == {"65532:65532"}


def test_nothing_comes_out_of_a_registry_unpinned_and_without_its_hash() -> None:
    steps = [step for stage in stages(DOCKERFILE.read_text()).values() for step in stage.steps]
    installs = [step.command for step in steps if isinstance(step, Run) and " install " in step.command]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command


def test_what_is_copied_is_let_through_and_nothing_else() -> None:
    steps = [step for stage in stages(DOCKERFILE.read_text()).values() for step in stage.steps]
    copied = {
        source for step in steps if isinstance(step, Copy) and not step.stage for source in step.sources
    }
    rules = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in rules
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied


def test_an_instruction_that_the_tests_would_leave_out_is_an_error() -> None:
    with pytest.raises(ValueError, match="HEALTHCHECK"):
        stages("FROM python AS one\nHEALTHCHECK NONE\n")


@pytest.mark.parametrize("lock", LOCKS)
def test_images_are_made_with_what_the_tests_ran_with(lock: str) -> None:
    tested = pins("requirements.lock")
    for pin, hashes in pins(lock).items():
        assert plain(pin) == "uv" or tested.get(pin) == hashes, pin


def test_images_are_made_by_the_uv_that_made_the_environment_of_the_tests() -> None:
    version = re.search(r"^UV_VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version is not None
    assert f"uv=={version[1]}" in pins("deploy/build.lock")


def test_images_have_what_the_project_asks_for_and_nothing_of_its_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = set(map(plain, project["project"]["dependencies"]))
    unwanted = set(map(plain, project["dependency-groups"]["test"] + project["dependency-groups"]["check"]))
    unwanted |= set(map(plain, project["project"]["optional-dependencies"]["embedded"]))
    assert wanted <= names("deploy/runtime.lock")
    assert not (unwanted - wanted) & names("deploy/runtime.lock")


def test_images_can_be_built_from_what_the_build_asks_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(map(plain, wanted)) <= names("deploy/build.lock")
