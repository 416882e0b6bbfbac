"""Who may know of a group or a project."""

from __future__ import annotations

from shared.gitlab.visibility import Visibility


def lowest_visible(*, signed_in: bool) -> Visibility:
    """Give the level from which on somebody sees what he is no member of."""
    return Visibility.INTERNAL if signed_in else Visibility.PUBLIC
