from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from services.cli.gitlab_shape import ShapeInspection
from services.cli.verification import verify
from shared.archive.limits import Limits
from shared.archive.writer import directory_header, end_of_archive, file_header, padding, root_header
from shared.github.access import map_collaborators, map_protected_branch
from shared.github.answers import Repository
from shared.github.issues import IssueMapper
from shared.github.lists import Catalogue, ReleaseMapper, map_labels, map_milestones, map_project
from shared.github.merge_requests import PullRequestAnswers, PullRequestMapper
from shared.github.statistics import Mapped, Tally
from shared.gitlab.layout import PROJECT, VERSION, relation_file
from shared.gitlab.record_json import escaped, record_line
from shared.gitlab.version import FORMAT_VERSION
from shared.gitlab.visibility import Visibility
from tests.support.github_answers import (
    ANN,
    AT,
    BOB,
    ORIGIN,
    comment,
    event,
    issue,
    label,
    milestone,
    pull,
    raw,
    release,
    review,
    review_comment,
)

ASSET = {
    "id": 1,
    "name": "a.zip",
    "browser_download_url": "https://x.example/a.zip",
    "created_at": AT,
    "updated_at": AT,
}
EVENTS = [
    comment(21, user=BOB),
    event("labeled", label={"name": "bug"}),
    event("unlabeled", label={"name": "gone"}),
    event("milestoned", milestone={"title": "v1"}),
    event("demilestoned", milestone={"title": "v1"}),
    event("closed", commit_id="c" * 40),
    event("reopened", actor=None),
    event("renamed", rename={"from": "a", "to": "b"}),
    event("assigned", assignee=BOB),
    event("cross-referenced", source={"issue": {"number": 2}}),
    event("mentioned"),
]
REVIEWS = [
    event("review_requested", requested_reviewer=ANN),
    event("merged", actor=BOB),
    review(31, state="approved"),
    review(32, state="changes_requested", body="text", user=None),
]
LINES = [
    review_comment(41),
    review_comment(42, in_reply_to_id=41, user=None, line=None),
    review_comment(43, body="```suggestion\nx\n```", original_start_line=2),
    review_comment(44, subject_type="file", diff_hunk="", line=None),
]
SETTINGS: dict[str, Any] = {"labels": [{"name": "bug"}], "milestone": {"number": 3}, "assignees": [ANN, BOB]}


def repository(tally: Tally) -> Iterator[tuple[str, Iterable[Struct]]]:
    """One of everything, by relation."""
    catalogue = Catalogue()
    labels = list(map_labels([label("bug", description="x"), label("<&>")], ORIGIN, tally))
    milestones = list(map_milestones([milestone(3), milestone(4, title="v2", state="closed")], ORIGIN, tally))
    for each in labels:
        catalogue.add_label(each)
    for other in milestones:
        catalogue.add_milestone(other)
    yield "labels", labels
    yield "milestones", milestones
    yield (
        "releases",
        ReleaseMapper(ORIGIN, set()).map([release(assets=[ASSET]), release("v2", name=None)], tally),
    )
    role = raw({"id": 1, "login": "ann", "role_name": "admin"})
    yield "project_members", map_collaborators([role], ORIGIN, tally)
    protection = raw({"required_pull_request_reviews": {}, "allow_force_pushes": {"enabled": False}})
    branch = map_protected_branch("main", protection, ORIGIN, tally, is_open_to_force=False)
    yield "protected_branches", [branch] if branch else []
    issues = IssueMapper(ORIGIN, catalogue)
    texts = [issue(1, state="closed", closed_at=AT, user=None, body=None, **SETTINGS), issue(2, user=BOB)]
    yield "issues", records((issues.map(each, EVENTS) for each in texts), tally)
    pulls = PullRequestMapper(ORIGIN, catalogue)
    changes = [pull(3), pull(4, state="closed", merged_at=AT, merge_commit_sha="c" * 40, **SETTINGS)]
    answers = (PullRequestAnswers(each, [*EVENTS, *REVIEWS], LINES) for each in changes)
    yield "merge_requests", records(map(pulls.map, answers), tally)


def records(mapped: Iterable[Mapped[Any]], tally: Tally) -> Iterator[Struct]:
    for each in mapped:
        tally.add(each.tally)
        if each.record is not None:
            yield each.record


def archived(files: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive by the writer that exports use."""
    tar = root_header(0) + directory_header("tree", 0) + directory_header("tree/project", 0)
    for name, data in files:
        tar += file_header(name, size=len(data), mtime=0) + data + padding(len(data))
    return gzip.compress(tar + end_of_archive(len(tar)))


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def archive(tmp_path: Path, tally: Tally) -> Path:
    hello = msgspec.json.decode(
        raw({"id": 7, "full_name": "octo/hello", "default_branch": "main"}), type=Repository
    )
    project = map_project(hello, namespace_visibility=Visibility.PUBLIC, must_resolve_discussions=True)
    files = [(VERSION, FORMAT_VERSION), (PROJECT, escaped(project))]
    for name, found in repository(tally):
        files.append((relation_file(name), b"".join(map(record_line, found))))
    path = tmp_path / "hello.tar.gz"
    path.write_bytes(archived(files))
    return path


async def test_a_repository_with_one_of_everything_is_an_archive_as_gitlab_writes_it(archive: Path) -> None:
    limits = Limits()
    told = await verify(archive, limits=limits, strict=True, shape=ShapeInspection(limits))
    assert told.for_gitlab
    assert told.for_gitlab.faults == []
    assert {name: count.lines for name, count in told.relations.items()} == {
        "labels": 2,
        "milestones": 2,
        "releases": 2,
        "project_members": 1,
        "protected_branches": 1,
        "issues": 2,
        "merge_requests": 2,
    }


def test_all_that_is_counted_is_told(archive: Path, tally: Tally) -> None:
    assert archive.exists()
    assert tally.failures == []
    assert tally.stats["fetched"] == tally.stats["imported"]
    assert tally.stats["imported"] == {
        "collaborator": 1,
        "diff_note": 8,
        "issue": 2,
        "issue_event": 38,
        "label": 2,
        "milestone": 2,
        "note": 4,
        "protected_branch": 1,
        "pull_request": 2,
        "pull_request_merged_by": 2,
        "pull_request_review": 4,
        "release": 2,
    }
