from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dockerfile import DOCKERFILE, ROOT, Copy, Run, stages

HADOLINT = str(Path(sys.executable).with_name("hadolint"))
SERVICES = ("api", "importer", "exporter", "migrate")


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


def test_the_image_of_python_is_pinned_by_its_digest_and_nothing_else_is_pulled() -> None:
    text = DOCKERFILE.read_text()
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    found = stages(text)
    assert {stage.base for stage in found.values()} - found.keys() == {"python:${PYTHON}"}
    assert "syntax=" not in text  # the image of a frontend


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
