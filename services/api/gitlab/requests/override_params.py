"""Parses ``override_params`` of an import: GitLab's optional attributes of new projects.

Those that GitLab's importer ignores are left out (ids, avatar, storage, LFS, packages, e-mails, mirrors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.api.http import parameters
from services.api.http.parameters import ParameterReader

Reader = Callable[[ParameterReader, str], object]

_FEATURE = ("disabled", "private", "enabled")
_CHOICES: dict[str, tuple[str, ...]] = {
    "visibility": ("private", "internal", "public"),
    "merge_method": ("ff", "rebase_merge", "merge"),
    "squash_option": ("never", "always", "default_on", "default_off"),
    "build_git_strategy": ("fetch", "clone"),
    "auto_cancel_pending_pipelines": ("disabled", "enabled"),
    "auto_devops_deploy_strategy": ("continuous", "manual", "timed_incremental"),
    "pages_access_level": (*_FEATURE, "public"),
    "package_registry_access_level": (*_FEATURE, "public"),
} | {
    f"{feature}_access_level": _FEATURE
    for feature in (
        "analytics", "builds", "container_registry", "environments", "feature_flags", "forking",
        "infrastructure", "issues", "merge_requests", "model_experiments", "model_registry", "monitor",
        "releases", "repository", "requirements", "security_and_compliance", "snippets", "wiki",
    )
}  # fmt: skip
_BOOLEANS = (
    "allow_merge_on_skipped_pipeline", "auto_devops_enabled", "autoclose_referenced_issues",
    "container_registry_enabled", "emails_enabled", "enforce_auth_checks_on_uploads",
    "group_runners_enabled", "issues_enabled", "jobs_enabled", "merge_requests_enabled",
    "only_allow_merge_if_all_discussions_are_resolved", "only_allow_merge_if_pipeline_succeeds",
    "printing_merge_request_link_enabled", "public_builds", "public_jobs",
    "remove_source_branch_after_merge", "request_access_enabled", "resolve_outdated_diff_discussions",
    "service_desk_enabled", "shared_runners_enabled", "show_diff_preview_in_email", "snippets_enabled",
    "warn_about_potentially_unwanted_characters", "wiki_enabled",
)  # fmt: skip
_INTEGERS = ("build_timeout", "ci_default_git_depth", "approvals_before_merge")
_TEXTS = (
    "description", "ci_config_path", "suggestion_commit_message", "merge_commit_template",
    "squash_commit_template", "issue_branch_template", "external_authorization_classification_label",
    "default_branch",
)  # fmt: skip


def _topics(reader: ParameterReader, name: str, value: object) -> list[str] | None:
    given = value if isinstance(value, list) else str(value).split(",")
    read = [parameters.text(item) for item in given]
    if None in read:
        reader.problem(name, "is invalid")
    return [item.strip() for item in read if item and item.strip()]


def override_params(given: Mapping[str, object], *, problems: list[str]) -> dict[str, object]:
    """Return the values of the declared parameters, and add invalid ones to ``problems``.

    Undeclared parameters are ignored, as in GitLab. Blank values override nothing.
    """
    reader = ParameterReader(given, prefix="override_params")
    read: dict[str, object] = {}
    for name, value in given.items():
        if value is not None and value != "" and name in _DECLARED:
            read[name] = _DECLARED[name](reader, name)
    if "topics" in given and given["topics"] not in (None, ""):
        read["topics"] = _topics(reader, "topics", given["topics"])
    problems += reader.problems
    return read


def _choice(reader: ParameterReader, name: str) -> object:
    return reader.choice(name, _CHOICES[name])


_DECLARED: dict[str, Reader] = (
    dict.fromkeys(_CHOICES, _choice)
    | dict.fromkeys(_BOOLEANS, ParameterReader.boolean)
    | dict.fromkeys(_INTEGERS, ParameterReader.integer)
    | dict.fromkeys(_TEXTS, ParameterReader.text)
)
