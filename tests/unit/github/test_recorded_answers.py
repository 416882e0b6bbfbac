"""What GitHub really answered, as @octokit/fixtures and @octokit/webhooks-examples of npm (MIT) record it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw, Struct

from shared.github.access import map_protected_branch
from shared.github.issues import IssueMapper
from shared.github.lists import Catalogue, ReleaseMapper, map_labels, map_milestones
from shared.github.merge_requests import PullRequestAnswers, PullRequestMapper
from shared.github.statistics import Tally
from shared.gitlab.record_json import record_line
from shared.gitlab.record_shapes import shape_faults
from tests.support.github_answers import ORIGIN, raw
from tests.support.npm import install

PACKAGES = ("@octokit/fixtures@23.1.2", "@octokit/webhooks-examples@7.6.1")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm")
    install(PACKAGES, folder)
    return folder / "node_modules" / "@octokit"


@pytest.fixture(scope="module")
def hooks(packages: Path) -> list[dict[str, Any]]:
    """All examples of what github.com sends to webhooks, in which objects are as its API answers them."""
    events = json.loads((packages / "webhooks-examples" / "api.github.com" / "index.json").read_text())
    return [example for event in events for example in event["examples"]]


def answers(packages: Path, scenario: str) -> Iterator[dict[str, Any]]:
    """The requests and answers of a recorded conversation."""
    folder = packages / "fixtures" / "scenarios" / "api.github.com" / scenario
    yield from json.loads((folder / "normalized-fixture.json").read_text())


def named(hooks: list[dict[str, Any]], name: str, marker: str) -> list[Raw]:
    """The objects of that name in the examples that have the ``marker`` too, each once."""
    found = (each[name] for each in hooks if isinstance(each.get(name), dict) and marker in each[name])
    return [raw(json.loads(each)) for each in dict.fromkeys(json.dumps(one, sort_keys=True) for one in found)]


def assert_as_gitlab_writes(relation: str, records: list[Struct | None]) -> None:
    lines = [record_line(each) for each in records if each is not None]
    assert [fault for line in lines for fault in shape_faults(line, relation, depth=100)] == []
    assert len(lines) == len(records)


def test_labels_milestones_and_releases_are_mapped(hooks: list[dict[str, Any]]) -> None:
    tally = Tally()
    labels = named(hooks, "label", "color")
    milestones = named(hooks, "milestone", "due_on")
    releases = {json.loads(bytes(each))["tag_name"]: each for each in named(hooks, "release", "tag_name")}
    assert_as_gitlab_writes("labels", list(map_labels(labels, ORIGIN, tally)))
    assert_as_gitlab_writes("milestones", list(map_milestones(milestones, ORIGIN, tally)))
    mapper = ReleaseMapper(ORIGIN, set())
    assert_as_gitlab_writes("releases", list(mapper.map(releases.values(), tally)))
    assert tally.failures == []
    assert tally.stats["imported"] == {
        "label": len(labels),
        "milestone": len(milestones),
        "release": len(releases),
    }
    assert labels
    assert milestones
    assert releases


def test_issues_and_their_comments_are_mapped(hooks: list[dict[str, Any]]) -> None:
    mapper, tally = IssueMapper(ORIGIN, Catalogue()), Tally()
    comments = named([each for each in hooks if "issue" in each], "comment", "issue_url")
    mapped = [mapper.map(each, comments=comments) for each in named(hooks, "issue", "state")]
    for each in mapped:
        tally.add(each.tally)
    assert tally.failures == []
    assert tally.stats["imported"]["issue"] == len(mapped) > 0
    assert tally.stats["imported"]["note"] > 0
    assert_as_gitlab_writes("issues", [each.record for each in mapped])


def test_pull_requests_reviews_and_comments_on_lines_are_mapped(hooks: list[dict[str, Any]]) -> None:
    mapper, tally = PullRequestMapper(ORIGIN, Catalogue()), Tally()
    reviews, lines = named(hooks, "review", "submitted_at"), named(hooks, "comment", "diff_hunk")
    pulls = [
        PullRequestAnswers(each, (), lines, (), reviews) for each in named(hooks, "pull_request", "head")
    ]
    mapped = [mapper.map(each) for each in pulls]
    for each in mapped:
        tally.add(each.tally)
    assert tally.failures == []
    assert tally.stats["imported"]["diff_note"] == len(pulls) * len(lines) > 0
    assert tally.stats["imported"]["pull_request_review"] > 0
    assert_as_gitlab_writes("merge_requests", [each.record for each in mapped])


def test_what_the_api_answered_is_mapped(packages: Path) -> None:
    tally = Tally()
    labels = [each["response"] for each in answers(packages, "labels") if isinstance(each["response"], list)]
    found = list(map_labels([raw(one) for page in labels for one in page], ORIGIN, tally))
    assert_as_gitlab_writes("labels", list(found))
    pages = [each["response"] for each in answers(packages, "paginate-issues")]
    issues = [raw(one) for page in pages if isinstance(page, list) for one in page]
    mapper = IssueMapper(ORIGIN, Catalogue())
    mapped = [mapper.map(each) for each in issues]
    assert_as_gitlab_writes("issues", [each.record for each in mapped])
    assert tally.failures == [failure for each in mapped for failure in each.tally.failures] == []
    assert found
    assert issues


def test_the_protection_that_the_api_answered_is_mapped(packages: Path) -> None:
    tally = Tally()
    found = [
        map_protected_branch("main", raw(each["response"]), ORIGIN, tally, is_open_to_force=True)
        for each in answers(packages, "branch-protection")
        if each["path"].endswith("/protection") and each["method"] in {"get", "put"}
    ]
    assert_as_gitlab_writes("protected_branches", list(found))
    assert found
    assert tally.failures == []
