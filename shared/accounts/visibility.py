"""The visibility of groups and projects to users who are no members."""

from __future__ import annotations

from shared.gitlab.visibility import Visibility


def lowest_visible(*, signed_in: bool) -> Visibility:
    """Give the lowest level of visibility that a user, or a visitor, sees without being a member."""
    return Visibility.INTERNAL if signed_in else Visibility.PUBLIC
