"""Generates the relations of the demonstration's project, with GitLab's attributes and nesting."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

ISSUES = 2000

_PROJECT = 1
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_COLORS = ("#428bca", "#5cb85c", "#d9534f", "#f0ad4e", "#7f8c8d")
_LABELS = ("bug", "feature", "documentation", "performance", "security", "Größe", "問題", "tests")
_PEOPLE = ("Ada", "Grace", "Edsger", "Barbara", "Niklaus")
_WORDS = (
    "the importer reads every line once and the exporter writes it again as it was <br> & naïve cafés "
    "日本語 streams never end before their checksum says so but bytes may arrive late or in pieces"
)

Record = Mapping[str, object]


def relations(
    random_: random.Random, *, issues: int, pictures: Sequence[str]
) -> Iterator[tuple[str, Iterable[Record]]]:
    """Yield each relation with an iterator that generates its records. The first issues show the pictures."""
    yield "labels", map(_label, range(len(_LABELS)))
    yield "milestones", map(_milestone, range(1, 11))
    yield "issues", (_issue(random_, iid, pictures[iid - 1 : iid]) for iid in range(1, issues + 1))
    yield "merge_requests", (_merge_request(random_, iid) for iid in range(1, issues // 20 + 1))
    yield "releases", map(_release, range(1, 6))
    yield "project_members", map(_member, range(len(_PEOPLE)))
    yield "protected_branches", [_protected_branch()]


def _label(number: int) -> Record:
    return {
        "title": _LABELS[number],
        "color": _COLORS[number % len(_COLORS)],
        "created_at": _time(number),
        "updated_at": _time(number),
        "description": None,
        "project_id": _PROJECT,
        "template": False,
        "type": "ProjectLabel",
        "priorities": [{"priority": number}],
    }


def _milestone(iid: int) -> Record:
    return {
        "iid": iid,
        "title": f"Version {iid}",
        "project_id": _PROJECT,
        "description": "",
        "due_date": None,
        "state": "active",
        "created_at": _time(iid),
        "updated_at": _time(iid),
        "events": [],
    }


def _issue(random_: random.Random, iid: int, pictures: Sequence[str]) -> Record:
    return {
        "iid": iid,
        "title": f"{_text(random_, 6)} ({iid})"[:255],
        "author_id": random_.randrange(1, 6),
        "description": "\n\n".join(
            (_text(random_, random_.randrange(10, 120)), *(f"![A picture](/{path})" for path in pictures))
        ),
        "project_id": _PROJECT,
        "confidential": False,
        "due_date": None,
        "state": random_.choice(("opened", "closed")),
        "created_at": _time(iid * 10),
        "updated_at": _time(iid * 10),
        "updated_by_id": None,
        "label_links": [_label_link(_label(random_.randrange(len(_LABELS))), _time(iid * 10))],
        "milestone": _milestone(random_.randrange(1, 11)),
        "notes": [_note(random_, iid * 10 + number) for number in range(random_.randrange(6))],
    }


def _label_link(label: Record, moment: str) -> Record:
    return {"target_type": "Issue", "label": label, "created_at": moment, "updated_at": moment}


def _note(random_: random.Random, minute: int) -> Record:
    author = random_.randrange(len(_PEOPLE))
    return {
        "note": _text(random_, random_.randrange(5, 60)),
        "noteable_type": "Issue",
        "author_id": author + 1,
        "created_at": _time(minute),
        "updated_at": _time(minute),
        "system": False,
        "author": {"name": _PEOPLE[author]},
        "award_emoji": [],
    }


def _merge_request(random_: random.Random, iid: int) -> Record:
    diff = "\n".join(f"+{_text(random_, 12)}" for _ in range(random_.randrange(10, 400)))
    return {
        "iid": iid,
        "title": f"{_text(random_, 5)} ({iid})"[:255],
        "author_id": random_.randrange(1, 6),
        "description": _text(random_, 20),
        "source_project_id": _PROJECT,
        "target_project_id": _PROJECT,
        "source_branch": f"topic-{iid}",
        "target_branch": "main",
        "state": random_.choice(("opened", "merged", "closed")),
        "created_at": _time(iid * 60),
        "updated_at": _time(iid * 60),
        "updated_by_id": None,
        "merge_commit_sha": None,
        "merge_error": None,
        "merge_params": {},
        "merge_status": "unchecked",
        "merge_user_id": None,
        "events": [],
        "notes": [_note(random_, iid * 60 + number) for number in range(random_.randrange(4))],
        "merge_request_diff": {
            "state": "collected",
            "base_commit_sha": random_.randbytes(20).hex(),
            "head_commit_sha": random_.randbytes(20).hex(),
            "real_size": "1",
            "created_at": _time(iid * 60),
            "updated_at": _time(iid * 60),
            "merge_request_diff_commits": [],
            "merge_request_diff_files": [_diff_file(diff)],
        },
    }


def _diff_file(diff: str) -> Record:
    return {
        "relative_order": 0,
        "old_path": "README.md",
        "new_path": "README.md",
        "a_mode": "100644",
        "b_mode": "100644",
        "new_file": False,
        "renamed_file": False,
        "deleted_file": False,
        "too_large": False,
        "utf8_diff": diff,
    }


def _release(number: int) -> Record:
    return {"tag": f"v{number}.0.0", "name": f"Version {number}", "created_at": _time(number), "links": []}


def _protected_branch() -> Record:
    level = {"access_level": 40, "created_at": _time(0), "updated_at": _time(0)}
    return {"name": "main", "push_access_levels": [level]}


def _member(number: int) -> Record:
    name = _PEOPLE[number]
    user = {"id": number + 1, "username": name.lower(), "public_email": f"{name.lower()}@example.org"}
    return {"access_level": 40, "source_type": "Project", "user_id": number + 1, "user": user}


def _text(random_: random.Random, words: int) -> str:
    return " ".join(random_.choices(_WORDS.split(), k=words))


def _time(minute: int) -> str:
    moment = _BEGIN + timedelta(minutes=minute)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
