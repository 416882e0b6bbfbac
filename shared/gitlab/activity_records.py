"""Records of what happens to an issue or a merge request, as GitLab 18.9 writes them: notes and events."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType, field

from shared.gitlab.records import LabelRecord, MilestoneRecord


class AuthorRecord(Struct, frozen=True):
    """Who wrote a note, as it is shown where nobody is found for it."""

    name: str


class SystemNoteMetadataRecord(Struct, frozen=True, kw_only=True):
    """What a system note tells of."""

    commit_count: None = None
    action: str
    created_at: str
    updated_at: str


class LinePlaceRecord(Struct, frozen=True, kw_only=True):
    """A line of a diff: ``type`` is ``new``, ``old`` or null for one on both sides."""

    line_code: str
    type: str | None
    old_line: int | None
    new_line: int | None


class LineRangeRecord(Struct, frozen=True):
    """The lines of a diff that a note is on."""

    start: LinePlaceRecord
    end: LinePlaceRecord


class PositionRecord(Struct, frozen=True, kw_only=True):
    """Where in a diff a note is."""

    base_sha: str
    start_sha: str
    head_sha: str
    old_path: str
    new_path: str
    position_type: str = "text"
    old_line: int | None
    new_line: int | None
    line_range: LineRangeRecord | None = None


class LegacyDiffRecord(Struct, frozen=True, kw_only=True):
    """The piece of a diff that a ``LegacyDiffNote`` carries with it."""

    diff: str
    new_path: str
    old_path: str
    a_mode: str = "100644"
    b_mode: str = "100644"
    new_file: bool = False


class SuggestionRecord(Struct, frozen=True, kw_only=True):
    """A change of lines that a note suggests."""

    relative_order: int
    applied: bool = False
    commit_id: None = None
    from_content: str
    to_content: str
    outdated: bool = False
    lines_above: int
    lines_below: int = 0


class NoteRecord(Struct, frozen=True, kw_only=True):
    """A note; ``suggestions`` is there in merge requests alone."""

    note: str
    noteable_type: str
    author_id: int
    created_at: str
    updated_at: str
    project_id: int
    line_code: str | None = None
    commit_id: str | None = None
    st_diff: LegacyDiffRecord | None = None
    system: bool = False
    updated_by_id: None = None
    type: str | None = None
    position: PositionRecord | None = None
    original_position: PositionRecord | None = None
    resolved_at: None = None
    resolved_by_id: None = None
    discussion_id: str
    change_position: None = None
    resolved_by_push: None = None
    confidential: None = None
    author: AuthorRecord
    award_emoji: tuple[()] = ()
    system_note_metadata: SystemNoteMetadataRecord | UnsetType = UNSET
    events: tuple[()] = ()
    suggestions: Sequence[SuggestionRecord] | UnsetType = UNSET


class EventRecord(Struct, frozen=True, kw_only=True):
    """What the activity of a project shows."""

    project_id: int
    author_id: int
    created_at: str
    updated_at: str
    action: str
    target_type: str
    fingerprint: None = None


class ResourceLabelEventRecord(Struct, frozen=True, kw_only=True):
    """A label that was added or removed; one that is gone is not named."""

    action: str
    user_id: int
    created_at: str
    label: LabelRecord | UnsetType = UNSET


class ResourceMilestoneEventRecord(Struct, frozen=True, kw_only=True):
    """A milestone that was added or removed."""

    user_id: int
    action: str
    created_at: str
    state: str
    milestone: MilestoneRecord


class ResourceStateEventRecord(Struct, frozen=True, kw_only=True):
    """A change of the state."""

    user_id: int
    state: str
    created_at: str
    source_commit: str | None = None
    close_after_error_tracking_resolve: bool = False
    close_auto_resolve_prometheus_alert: bool = False


class LabelLinkRecord(Struct, frozen=True, kw_only=True):
    """A label of an issue or a merge request."""

    target_type: str
    created_at: str
    updated_at: str
    label: LabelRecord


class Activity(Struct, kw_only=True):
    """The children that issues and merge requests have in common, in the order of time."""

    notes: list[NoteRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    resource_label_events: list[ResourceLabelEventRecord] = field(default_factory=list)
    resource_milestone_events: list[ResourceMilestoneEventRecord] = field(default_factory=list)
    resource_state_events: list[ResourceStateEventRecord] = field(default_factory=list)
