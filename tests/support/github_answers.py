"""Small answers of GitHub, as raw JSON with the members that are mapped, and an origin to map them with."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from msgspec import Raw, Struct

from shared.github.answers import User
from shared.github.origin import Origin, Person
from shared.gitlab.record_json import record_line

AT = "2024-01-02T03:04:05Z"
SHOWN = "2024-01-02T03:04:05.000Z"
NOW = "2024-02-03T04:05:06.000Z"
HEAD, BASE = "a" * 40, "b" * 40

ANN: dict[str, Any] = {"id": 1, "login": "ann", "type": "User"}
BOB: dict[str, Any] = {"id": 2, "login": "bob", "type": "User"}
GONE: dict[str, Any] = {"id": 10137, "login": "ghost", "type": "User"}


class AnnAlone:
    """Of all accounts, Ann's is somebody here."""

    def find(self, user: User) -> Person | None:
        return Person("ann.here", "ann@example.com") if user.login == "ann" else None


ORIGIN = Origin(
    repository_id=7,
    full_name="octo/hello",
    web_url="https://github.com",
    project_url="https://here.example/group/one",
    people=AnnAlone(),
    now=datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC),
)


def raw(answer: object) -> Raw:
    """An answer as it comes."""
    return Raw(json.dumps(answer).encode())


def built(record: Struct | None) -> Any:
    """What the line of a record says."""
    assert record is not None
    return json.loads(record_line(record))


def label(name: str = "bug", **more: object) -> Raw:
    return raw({"id": 5, "name": name, "color": "ff0000", "description": None, "default": False, **more})


def milestone(number: int = 3, **more: object) -> Raw:
    times = {"created_at": AT, "updated_at": AT, "due_on": "2024-05-06T07:00:00Z", "closed_at": None}
    return raw({"number": number, "title": "v1", "state": "open", "description": "first", **times, **more})


def release(tag: str = "v1.0", **more: object) -> Raw:
    times = {"created_at": AT, "published_at": AT}
    return raw({"tag_name": tag, "name": "One", "body": "text", "author": ANN, "assets": [], **times, **more})


def issue(number: int = 1, **more: object) -> Raw:
    times = {"created_at": AT, "updated_at": AT, "closed_at": None}
    return raw({"number": number, "title": "An issue", "state": "open", "user": ANN, "body": "text", **times}
               | {"labels": [], "assignees": [], "milestone": None, **more})  # fmt: skip


def pull(number: int = 4, **more: object) -> Raw:
    times = {"created_at": AT, "updated_at": AT, "closed_at": None, "merged_at": None}
    head = {"ref": "feature", "sha": HEAD, "repo": {"id": 7}, "user": ANN}
    base = {"ref": "main", "sha": BASE, "repo": {"id": 7}, "user": ANN}
    return raw({"number": number, "title": "A change", "state": "open", "user": ANN, "body": "text", **times}
               | {"head": head, "base": base, "labels": [], "assignees": [], "draft": False}
               | more)  # fmt: skip


def event(kind: str, **more: object) -> Raw:
    return raw({"event": kind, "id": 11, "actor": ANN, "created_at": AT, **more})


def comment(number: int = 21, **more: object) -> Raw:
    """A comment, of a timeline or of a list."""
    return raw({"event": "commented", "id": number, "user": ANN, "actor": ANN, "body": "text"}
               | {"created_at": AT, "updated_at": AT, **more})  # fmt: skip


def review(number: int = 31, **more: object) -> Raw:
    """A review, of a timeline or of a list."""
    return raw({"event": "reviewed", "id": number, "user": ANN, "body": None, "state": "commented"}
               | {"submitted_at": AT, "commit_id": HEAD, **more})  # fmt: skip


HUNK = "@@ -1,3 +1,4 @@ def f():\n one\n-two\n+deux\n+trois"


def review_comment(number: int = 41, **more: object) -> Raw:
    """A comment on the last line of the hunk."""
    return raw({"id": number, "path": "a.py", "diff_hunk": HUNK, "body": "text", "user": ANN, "side": "RIGHT"}
               | {"line": 3, "start_line": None, "original_line": 3, "original_start_line": None}
               | {"original_commit_id": HEAD, "commit_id": HEAD, "subject_type": "line"}
               | {"created_at": AT, "updated_at": AT, **more})  # fmt: skip
