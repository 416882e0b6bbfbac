"""Records of a project's own relations, as GitLab 18.9 writes them (``import_export.yml``).

A struct is a line: its attributes are in GitLab's order, and those that have one value only are constants.
Times come from ``record_json.moment``, days from ``record_json.day``.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class ProjectRecord(Struct, frozen=True, kw_only=True):
    """``tree/project.json``; what is not in here has GitLab's default."""

    description: str | None
    visibility_level: int
    archived: bool = False
    only_allow_merge_if_all_discussions_are_resolved: bool = False
    default_branch: str | None = None


class LabelRecord(Struct, frozen=True, kw_only=True):
    """``labels``, and the copies of a label in issues and merge requests."""

    title: str
    color: str
    project_id: int
    created_at: str
    updated_at: str
    template: bool = False
    description: str | None = None
    group_id: None = None
    type: str = "ProjectLabel"
    priorities: tuple[()] = ()


class MilestoneRecord(Struct, frozen=True, kw_only=True):
    """``milestones``, and the copies of a milestone in issues and merge requests."""

    iid: int
    title: str
    project_id: int
    description: str | None
    due_date: str | None
    created_at: str
    updated_at: str
    start_date: None = None
    state: str
    group_id: None = None
    events: tuple[()] = ()


class LinkRecord(Struct, frozen=True, kw_only=True):
    """A link of a release."""

    url: str
    name: str
    created_at: str
    updated_at: str
    link_type: str = "other"


class ReleaseRecord(Struct, frozen=True, kw_only=True):
    """``releases``."""

    tag: str
    description: str
    project_id: int
    author_id: int
    created_at: str
    updated_at: str
    name: str
    released_at: str
    links: Sequence[LinkRecord] = ()
    milestone_releases: tuple[()] = ()


class MemberUserRecord(Struct, frozen=True, kw_only=True):
    """Who a member is: the old id that other records name, and by what GitLab finds the person."""

    id: int
    public_email: str | None
    username: str


class MemberRecord(Struct, frozen=True, kw_only=True):
    """``project_members``."""

    access_level: int
    source_type: str = "Project"
    user_id: int
    notification_level: int = 3
    created_at: str
    updated_at: str
    created_by_id: None = None
    invite_email: None = None
    invite_accepted_at: None = None
    requested_at: None = None
    expires_at: None = None
    ldap: bool = False
    override: bool = False
    user: MemberUserRecord


class AccessLevelRecord(Struct, frozen=True, kw_only=True):
    """Who may push to a protected branch, or merge into it: a role."""

    access_level: int
    created_at: str
    updated_at: str
    user_id: None = None
    group_id: None = None


class ProtectedBranchRecord(Struct, frozen=True, kw_only=True):
    """``protected_branches``."""

    project_id: int
    name: str
    created_at: str
    updated_at: str
    code_owner_approval_required: bool
    allow_force_push: bool
    merge_access_levels: Sequence[AccessLevelRecord]
    push_access_levels: Sequence[AccessLevelRecord]
    unprotect_access_levels: tuple[()] = ()
