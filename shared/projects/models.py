"""A project as it is read from Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.accounts.models import Namespace
from shared.gitlab.visibility import Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project with its namespace; ``overrides`` win over the attributes of its archive.

    The last activity is the last change of its content or of what it is.
    """

    id: int
    creator_id: int | None
    path: str
    name: str
    description: str | None
    visibility: Visibility
    archived: bool
    overrides: Mapping[str, object]
    created_at: datetime
    last_activity_at: datetime
    namespace: Namespace

    @property
    def full_path(self) -> str:
        """``group/subgroup/project``."""
        return f"{self.namespace.full_path}/{self.path}"

    @property
    def full_name(self) -> str:
        """``Group / Subgroup / Project``, for display."""
        return f"{self.namespace.full_name} / {self.name}"
