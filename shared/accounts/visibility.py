"""Who may know of a group or a project."""

from __future__ import annotations

from enum import IntEnum


class Visibility(IntEnum):
    """GitLab's visibility levels: members, everybody who is logged in, everybody."""

    PRIVATE = 0
    INTERNAL = 10
    PUBLIC = 20

    @property
    def word(self) -> str:
        """GitLab's word for it."""
        return self.name.lower()


VISIBILITIES = {level.word: level for level in Visibility}
"""The levels by GitLab's words for them."""


def lowest_visible(*, signed_in: bool) -> Visibility:
    """Give the level from which on somebody sees what he is no member of."""
    return Visibility.INTERNAL if signed_in else Visibility.PUBLIC
