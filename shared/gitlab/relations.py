"""The relations of a GitLab project, as data (GitLab 18.9, import_export.yml and models)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RELATIONS: tuple[str, ...] = (
    "labels",
    "milestones",
    "issues",
    "snippets",
    "releases",
    "project_members",
    "merge_requests",
    "external_pull_requests",
    "commit_notes",
    "ci_pipelines",
    "auto_devops",
    "pipeline_schedules",
    "container_expiration_policy",
    "protected_branches",
    "protected_tags",
    "project_feature",
    "custom_attributes",
    "project_badges",
    "ci_cd_settings",
    "error_tracking_setting",
    "boards",
    "service_desk_setting",
    "user_contributions",
    # The rest is of the Enterprise Edition.
    "protected_environments",
    "security_setting",
    "push_rule",
    "approval_rules",
    "vulnerabilities",
)
"""Top-level relations in the order of GitLab's import."""

SINGLE = frozenset(
    {
        "auto_devops",
        "ci_cd_settings",
        "container_expiration_policy",
        "error_tracking_setting",
        "project_feature",
        "push_rule",
        "security_setting",
        "service_desk_setting",
    }
)
"""Relations that are one object or ``null``, without a newline at the end."""

REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "labels": ("title",),
        "milestones": ("title",),
        "issues": ("title",),
        "snippets": ("title",),
        "releases": ("tag",),
        "merge_requests": ("title", "source_branch", "target_branch"),
        "external_pull_requests": ("source_branch", "target_branch"),
        "pipeline_schedules": ("description",),
        "protected_branches": ("name",),
        "protected_tags": ("name",),
        "custom_attributes": ("key", "value"),
        "project_badges": ("link_url", "image_url"),
        "protected_environments": ("name",),
        "vulnerabilities": ("title",),
    }
)
"""Attributes that GitLab's import validates as not blank; other relations have none.

Attributes that GitLab sets during the import (iid, author, project, state) are not required.
"""

MAX_LENGTH: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        relation: MappingProxyType({"title": 255})
        for relation in ("labels", "milestones", "issues", "snippets", "merge_requests", "vulnerabilities")
    }
)
"""The most characters of an attribute, without surrounding white space. Each is also required."""
