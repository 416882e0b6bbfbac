"""Records of issues and merge requests, as GitLab 18.9 writes them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from shared.gitlab.activity_records import (
    EventRecord,
    LabelLinkRecord,
    NoteRecord,
    ResourceLabelEventRecord,
    ResourceMilestoneEventRecord,
    ResourceStateEventRecord,
)
from shared.gitlab.records import MilestoneRecord


class AssigneeRecord(Struct, frozen=True):
    """An assignee of an issue."""

    user_id: int


class WorkItemTypeRecord(Struct, frozen=True):
    """The type of an issue."""

    base_type: str = "issue"


class IssueRecord(Struct, frozen=True, kw_only=True):
    """``issues``."""

    title: str
    author_id: int
    project_id: int
    created_at: str
    updated_at: str
    description: str | None
    iid: int
    updated_by_id: None = None
    weight: None = None
    confidential: bool = False
    due_date: None = None
    lock_version: int = 0
    time_estimate: int = 0
    last_edited_at: None = None
    last_edited_by_id: None = None
    discussion_locked: None = None
    closed_at: str | None
    closed_by_id: int | None
    health_status: None = None
    state: str
    events: Sequence[EventRecord]
    timelogs: tuple[()] = ()
    notes: Sequence[NoteRecord]
    label_links: Sequence[LabelLinkRecord]
    milestone: MilestoneRecord | UnsetType = UNSET
    resource_label_events: Sequence[ResourceLabelEventRecord]
    resource_milestone_events: Sequence[ResourceMilestoneEventRecord]
    resource_state_events: Sequence[ResourceStateEventRecord]
    designs: tuple[()] = ()
    design_versions: tuple[()] = ()
    issue_assignees: Sequence[AssigneeRecord]
    zoom_meetings: tuple[()] = ()
    award_emoji: tuple[()] = ()
    work_item_type: WorkItemTypeRecord = WorkItemTypeRecord()


class ParticipantRecord(Struct, frozen=True, kw_only=True):
    """An assignee or a reviewer of a merge request; ``state`` is ``unreviewed`` or ``reviewed``."""

    user_id: int
    created_at: str
    state: str = "unreviewed"


class ApprovalRecord(Struct, frozen=True, kw_only=True):
    """An approval of a merge request."""

    user_id: int
    created_at: str
    updated_at: str


class MetricsRecord(Struct, frozen=True, kw_only=True):
    """When a merge request was merged or closed, and by whom."""

    latest_build_started_at: None = None
    latest_build_finished_at: None = None
    first_deployed_to_production_at: None = None
    merged_at: str | None = None
    created_at: str
    updated_at: str
    merged_by_id: int | None = None
    latest_closed_by_id: int | None = None
    latest_closed_at: str | None = None
    first_comment_at: None = None
    first_commit_at: None = None
    last_commit_at: None = None
    diff_size: None = None
    modified_paths_size: None = None
    commits_count: None = None
    first_approved_at: None = None
    first_reassigned_at: None = None
    added_lines: None = None
    target_project_id: int
    removed_lines: None = None


class MergeParametersRecord(Struct, frozen=True):
    """What happens to the source branch after the merge."""

    force_remove_source_branch: None = None


class DiffRecord(Struct, frozen=True, kw_only=True):
    """``merge_request_diff``: between which commits the diff is; what is in it comes from the repository."""

    state: str = "collected"
    created_at: str
    updated_at: str
    base_commit_sha: str
    real_size: str
    head_commit_sha: str
    start_commit_sha: str
    commits_count: int
    files_count: int
    sorted: bool = True
    diff_type: str = "regular"
    merge_request_diff_commits: tuple[()] = ()
    merge_request_diff_files: tuple[()] = ()


class MergeRequestRecord(Struct, frozen=True, kw_only=True):
    """``merge_requests``."""

    target_branch: str
    source_branch: str
    source_project_id: int
    author_id: int
    title: str
    created_at: str
    updated_at: str
    merge_status: str = "unchecked"
    target_project_id: int
    iid: int
    description: str | None
    updated_by_id: None = None
    merge_error: None = None
    merge_params: MergeParametersRecord = MergeParametersRecord()
    merge_user_id: int | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: None = None
    in_progress_merge_commit_sha: None = None
    lock_version: int = 0
    approvals_before_merge: None = None
    rebase_commit_sha: None = None
    time_estimate: int = 0
    squash: bool = False
    last_edited_at: None = None
    last_edited_by_id: None = None
    discussion_locked: None = None
    allow_maintainer_to_push: None = None
    merge_ref_sha: None = None
    draft: bool = False
    diff_head_sha: str
    source_branch_sha: str
    target_branch_sha: str
    state: str
    approvals: Sequence[ApprovalRecord]
    metrics: MetricsRecord
    award_emoji: tuple[()] = ()
    merge_request_assignees: Sequence[ParticipantRecord]
    merge_request_reviewers: Sequence[ParticipantRecord]
    notes: Sequence[NoteRecord]
    merge_request_diff: DiffRecord
    events: Sequence[EventRecord]
    timelogs: tuple[()] = ()
    label_links: Sequence[LabelLinkRecord]
    milestone: MilestoneRecord | UnsetType = UNSET
    resource_label_events: Sequence[ResourceLabelEventRecord]
    resource_milestone_events: Sequence[ResourceMilestoneEventRecord]
    resource_state_events: Sequence[ResourceStateEventRecord]
