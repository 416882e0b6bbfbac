"""Who may read what of a project's content: the one place that decides.

It follows GitLab 18 (``project_policy.rb``, ``issue_policy.rb``, ``project_feature.rb`` and the routes' own
checks), and shows less where that cannot be known. An archive names the author and the assignees of an issue,
and the author of a snippet, by the ids of the server that it comes from. These name nobody here: nobody is
shown a record for having written it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from shared.accounts.models import AccessLevel
from shared.accounts.visibility import lowest_visible
from shared.gitlab.features import FeatureLevel, ProjectFeatures
from shared.gitlab.visibility import Visibility
from shared.records.finder import RecordPredicate
from shared.records.visibility import SnippetsFrom, is_not_confidential


class Kind(Enum):
    """A kind of content, by the name of its relation; CODE is no relation but what the repository holds."""

    ISSUES = "issues"
    LABELS = "labels"
    MERGE_REQUESTS = "merge_requests"
    MILESTONES = "milestones"
    RELEASES = "releases"
    SNIPPETS = "snippets"
    CODE = "code"


SEEMS_EMPTY = frozenset({Kind.ISSUES, Kind.LABELS})
"""Kinds whose list is empty for who may not read it, as GitLab answers; others are denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What one user, or a visitor, may read of one project.

    ``level`` is the user's access level, OWNER for administrators; it does not open what is disabled.
    """

    features: ProjectFeatures
    visibility: Visibility
    level: AccessLevel
    signed_in: bool

    def may_list(self, kind: Kind) -> bool:
        """Tell whether the kind may be read at all."""
        return self._sees_project and self._reads(kind)

    def may_find(self, kind: Kind) -> bool:
        """Tell whether single records of the kind may be read: releases by their tag only with the code."""
        return self.may_list(kind) and (kind is not Kind.RELEASES or self.may_list(Kind.CODE))

    def shown(self, kind: Kind) -> RecordPredicate | None:
        """Give the condition on single records of a kind that may be listed; None where all are shown."""
        if kind is Kind.ISSUES and self.level < AccessLevel.PLANNER:
            return is_not_confidential
        if kind is Kind.SNIPPETS and not self._is_member:
            return SnippetsFrom(lowest_visible(signed_in=self.signed_in))
        return None

    @property
    def has_repository(self) -> bool:
        """Whether the feature of the repository is open to the user, who may still be no reader of code."""
        return self._sees_project and self._is_open(self.features.repository)

    @property
    def _is_member(self) -> bool:
        return self.level >= AccessLevel.GUEST

    @property
    def _sees_project(self) -> bool:
        return self._is_member or self.visibility >= lowest_visible(signed_in=self.signed_in)

    def _is_open(self, feature: FeatureLevel, *, to: AccessLevel = AccessLevel.GUEST) -> bool:
        """Tell whether a feature is open; one for members only is open ``to`` this level and higher ones."""
        if feature is FeatureLevel.PRIVATE:
            return self.level >= to
        return feature is not FeatureLevel.DISABLED

    def _reads(self, kind: Kind) -> bool:
        features = self.features
        match kind:
            case Kind.ISSUES:
                return self._is_open(features.issues)
            case Kind.CODE:
                is_guest_of_private = not self.visibility and self.level < AccessLevel.PLANNER
                return self._is_open(features.repository, to=AccessLevel.PLANNER) and not is_guest_of_private
            case Kind.MERGE_REQUESTS:
                is_open = self._is_open(features.merge_requests, to=AccessLevel.PLANNER)
                return is_open and self._reads(Kind.CODE)
            case Kind.LABELS | Kind.MILESTONES:
                return self._reads(Kind.ISSUES) or self._reads(Kind.MERGE_REQUESTS)
            case Kind.RELEASES:
                return self._is_open(features.releases)
            case Kind.SNIPPETS:
                return self._is_open(features.snippets)
            case _:
                assert_never(kind)
