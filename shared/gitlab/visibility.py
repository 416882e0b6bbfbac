"""GitLab's visibility levels, as numbers and words."""

from __future__ import annotations

from enum import IntEnum


class Visibility(IntEnum):
    """Who can see a project or group: its members, every signed-in user, everyone."""

    PRIVATE = 0
    INTERNAL = 10
    PUBLIC = 20

    @property
    def word(self) -> str:
        """GitLab's word for it."""
        return self.name.lower()


VISIBILITIES = {level.word: level for level in Visibility}
"""The levels by GitLab's words for them."""
