"""Records of every relation that GitLab exports, with the members that its own exports have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

_AT = {"created_at": "2024-01-02T03:04:05.678Z", "updated_at": "2024-02-03T04:05:06.789Z"}
_ANN = {"id": 7, "public_email": "ann@example.com", "username": "ann"}
_AUTHOR = {"name": "Ann"}
_SHA = "7d6eb752ad642aaa645c7828f7a9e3fbf70cc8b3"


def line(record: object) -> bytes:
    """A record as GitLab writes it: no blanks, and text as it is."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def lines(records: Iterable[object]) -> bytes:
    """Lines, each with its newline."""
    return b"".join(line(record) + b"\n" for record in records)


def label(title: str, **more: object) -> Json:
    """A label of the project."""
    return {"title": title, "color": "#428bca", "project_id": 5, **_AT, "template": False,
            "description": None, "type": "ProjectLabel", "priorities": [], **more}  # fmt: skip


def note(text: str, target: str, **more: object) -> Json:
    """A comment, with the event that tells of it."""
    event = {"target_type": "Note", "project_id": 5, **_AT, "action": "commented", "author_id": 7}
    return {"note": text, "noteable_type": target, "author_id": 7, **_AT, "project_id": 5, "system": False,
            "position": None, "author": _AUTHOR, "award_emoji": [], "events": [event], **more}  # fmt: skip


def issue(iid: int, **more: object) -> Json:
    """An issue with comments, labels and a milestone."""
    return {
        "iid": iid, "title": f"Issue {iid}", "description": f"What is said in {iid}: “äöü”, 漢字, \n\t<b>",
        "state": "closed" if iid % 3 == 0 else "opened", "author_id": 7, "project_id": 5, **_AT,
        "confidential": iid % 5 == 0, "due_date": "2024-05-06" if iid % 2 else None, "weight": None,
        "issue_type": "incident" if iid % 4 == 0 else "issue", "relative_position": 513 * iid,
        "issue_assignees": [{"user_id": 7}], "timelogs": [{"time_spent": 60 * iid, "user_id": 7, **_AT}],
        "label_links": [{"target_type": "Issue", **_AT, "label": label("bug")}], "designs": [],
        "milestone": {"iid": 1, "title": "The first", "state": "active", "project_id": 5, **_AT},
        "notes": [note(f"Comment {n} on {iid}", "Issue") for n in range(3)], "zoom_meetings": [],
        "resource_label_events": [{"action": "add", "user_id": 7, "label": label("bug"), **_AT}],
        "award_emoji": [{"name": "thumbsup", "user_id": 7, **_AT}], **more,
    }  # fmt: skip


def _designed(iid: int) -> Json:
    versions = [{"sha": f"{n:040x}", "author_id": 7, **_AT,
                 "actions": [{"event": "creation", "design": {"filename": f"{n}.png", "iid": n}}]}
                for n in (1, 2)]  # fmt: skip
    designs = [{"iid": n, "filename": f"{n}.png", "notes": [note("Nice", "DesignManagement::Design")]}
               for n in (1, 2)]  # fmt: skip
    return issue(iid, designs=designs, design_versions=versions)


def merge_request(iid: int, **more: object) -> Json:
    """A merge request with its commits and its diff."""
    commit = {
        "relative_order": 0,
        "sha": _SHA,
        "message": "Add a feature\n",
        "trailers": {},
        "authored_date": _AT["created_at"],
        "commit_author": {"name": "Ann", "email": "a@example.com"},
    }
    file = {
        "relative_order": 0,
        "new_file": True,
        "renamed_file": False,
        "deleted_file": False,
        "new_path": "src/feature.py",
        "old_path": "src/feature.py",
        "a_mode": "0",
        "b_mode": "100644",
        "utf8_diff": '@@ -0,0 +1 @@\n+print("feature")\n',
    }
    return {
        "iid": iid, "title": f"Merge request {iid}", "source_branch": f"feature-{iid}",
        "target_branch": "main", "source_project_id": 5, "target_project_id": 5, "author_id": 7, **_AT,
        "state": ("opened", "merged", "closed", "locked")[iid % 4], "description": None, "draft": iid == 2,
        "merge_params": {"force_remove_source_branch": None}, "merge_status": "unchecked",
        "merge_request_diff": {"state": "collected", "commits_count": 1, "head_commit_sha": _SHA, **_AT,
                               "merge_request_diff_commits": [commit], "merge_request_diff_files": [file]},
        "notes": [note(f"Review {iid}", "MergeRequest", type="DiffNote", line_code=f"{_SHA}_0_1")],
        "metrics": {"merged_at": None, "latest_closed_at": None}, "approvals": [], "reviewers": [],
        "label_links": [], "merge_request_assignees": [{"user_id": 7, "state": "unreviewed"}], **more,
    }  # fmt: skip


def milestone(iid: int, **more: object) -> Json:
    """A milestone."""
    return {"iid": iid, "title": f"Milestone {iid}", "project_id": 5, "description": "", "due_date": None,
            **_AT, "state": "active", "events": [], **more}  # fmt: skip


def _pipeline(iid: int) -> Json:
    job = {"name": f"test {iid}", "status": "success", "stage_idx": 0, "type": "Ci::Build", **_AT}
    return {"iid": iid, "ref": "main", "sha": _SHA, "status": "success", "source": "push", **_AT,
            "stages": [{"name": "test", "position": 0, "status": 3, "builds": [job], "bridges": []}],
            "notes": [], "pipeline_metadata": {"name": "Nightly"} if iid == 1 else None}  # fmt: skip


def _access(kind: str) -> list[Json]:
    return [{"access_level": 40, **_AT, f"protected_{kind}_id": 1}]


MEMBER: Json = {"access_level": 50, "source_type": "Project", "user_id": 7, "notification_level": 3, **_AT,
                "invite_email": None, "requested_at": None, "user": _ANN}  # fmt: skip

EVERY: Mapping[str, list[Json]] = {
    "labels": [label("bug"), label("wish ✨", priorities=[{"priority": 1, **_AT}])],
    "milestones": [milestone(1, title="The first"), milestone(2), milestone(3, state="closed")],
    "issues": [*(issue(iid) for iid in range(9, 0, -1)), _designed(10)],
    "snippets": [{"title": "A snippet", "content": "x = 1", "author_id": 7, "file_name": "x.py", **_AT,
                  "visibility_level": 20, "description": None, "award_emoji": [], "notes": []}],
    "releases": [{"tag": tag, "name": tag, "description": "What is new", "author_id": 7, "sha": _SHA, **_AT,
                  "released_at": _AT["created_at"], "links": links, "milestones": []}
                 for tag, links in (("v1", [{"url": "https://example.com/v1.zip", "name": "v1.zip", **_AT}]),
                                    ("v1.1", []), ("v2/β", []))],
    "project_members": [MEMBER, {**MEMBER, "user_id": 8, "access_level": 30, "user": None}],
    "merge_requests": [merge_request(iid) for iid in range(9, 0, -1)],
    "external_pull_requests": [{"pull_request_iid": 4, "source_branch": "feature", "target_branch": "main",
                                "source_repository": "ann/p", "target_repository": "bob/p", **_AT}],
    "commit_notes": [note("On a commit", "Commit", commit_id=_SHA), note("And again", "Commit")],
    "ci_pipelines": [_pipeline(iid) for iid in (1, 2, 3)],
    "auto_devops": [{"enabled": None, "deploy_strategy": "continuous", **_AT}],
    "pipeline_schedules": [{"description": "Weekly", "ref": "main", "cron": "0 4 * * 0", "active": True}],
    "container_expiration_policy": [{"cadence": "3month", "keep_n": 100, "enabled": False, **_AT}],
    "protected_branches": [{"name": "main", **_AT, "merge_access_levels": _access("branch"),
                            "push_access_levels": _access("branch")}],
    "protected_tags": [{"name": "v*", **_AT, "create_access_levels": _access("tag")}],
    "project_feature": [{"wiki_access_level": 20, "issues_access_level": 20, "builds_access_level": 10}],
    "custom_attributes": [{"key": "team", "value": "blue", **_AT}, {"key": "cost", "value": "7", **_AT}],
    "project_badges": [{"link_url": "https://example.com", "image_url": "https://example.com/a.png"}],
    "ci_cd_settings": [{"group_runners_enabled": True, "default_git_depth": 20}],
    "error_tracking_setting": [{"api_url": "https://example.com/api/0", "project_name": "p"}],
    "boards": [{"name": "Board", "lists": [{"list_type": "label", "position": 0, "label": label("bug")}]}],
    "service_desk_setting": [{"outgoing_name": "Desk", "issue_template_key": None}],
    "user_contributions": [_ANN],
    "protected_environments": [{"name": "production", "deploy_access_levels": _access("environment")}],
    "security_setting": [{"auto_fix_sast": True, **_AT}],
    "push_rule": [{"commit_message_regex": "^[A-Z]", "max_file_size": 0}],
    "approval_rules": [{"name": "All", "approvals_required": 1, "rule_type": "any_approver"}],
    "vulnerabilities": [{"title": "A weakness", "severity": "medium", "report_type": "sast", **_AT}],
    # Older exports have these.
    "services": [{"type": "JiraService", "active": False, "properties": {}, **_AT}],
    "triggers": [{"owner_id": 7, **_AT}],
}  # fmt: skip
