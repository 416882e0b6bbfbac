"""One version, wherever it is written."""

from __future__ import annotations

import re
from importlib.metadata import version

import yaml

from tests.support.dockerfile import ROOT
from tests.support.helm import CHART
from tests.support.release import VERSION


def test_the_command_says_the_version_of_the_project() -> None:
    assert version("crossdock") == VERSION


def test_the_chart_and_what_it_installs_have_it() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_images_are_tagged_with_it() -> None:
    texts = [(ROOT / "deploy" / name).read_text() for name in ("Dockerfile", "compose.yaml")]
    tags = re.findall(r" crossdock/(\w+):([\d.]+)", "\n".join(texts))
    assert {name for name, _ in tags} == {"api", "importer", "exporter", "migrate"}
    assert {tag for _, tag in tags} == {VERSION}


def test_the_newest_release_in_the_changelog_is_it_and_has_a_date() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    unreleased, newest, *_ = headings
    assert unreleased == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d", newest)
