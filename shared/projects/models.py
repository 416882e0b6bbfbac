"""What a project is to those who look for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from shared.accounts.models import Namespace


class Visibility(IntEnum):
    """GitLab's visibility levels: members, everybody who is logged in, everybody."""

    PRIVATE = 0
    INTERNAL = 10
    PUBLIC = 20


VISIBILITIES = {level.name.lower(): level for level in Visibility}
"""The levels by GitLab's words for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project and the namespace it is in."""

    id: int
    creator_id: int | None
    path: str
    name: str
    description: str | None
    visibility: Visibility
    archived: bool
    created_at: datetime
    namespace: Namespace

    @property
    def full_path(self) -> str:
        """``group/subgroup/project``."""
        return f"{self.namespace.full_path}/{self.path}"

    @property
    def full_name(self) -> str:
        """``Group / Subgroup / Project``, for people."""
        return f"{self.namespace.full_name} / {self.name}"
