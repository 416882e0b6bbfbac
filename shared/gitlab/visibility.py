"""GitLab's visibility levels, as archives and its API write them."""

from __future__ import annotations

from enum import IntEnum


class Visibility(IntEnum):
    """Who sees a project or group: its members, everybody who is logged in, everybody."""

    PRIVATE = 0
    INTERNAL = 10
    PUBLIC = 20

    @property
    def word(self) -> str:
        """GitLab's word for it."""
        return self.name.lower()


VISIBILITIES = {level.word: level for level in Visibility}
"""The levels by GitLab's words for them."""
