"""Users, namespaces and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum

from shared.gitlab.visibility import Visibility


class AccessLevel(IntEnum):
    """GitLab's access levels; a higher level includes the lower ones."""

    NONE = 0
    GUEST = 10
    PLANNER = 15
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


class Scope(Enum):
    """What a token permits: everything, reading, reading users, acting as another user."""

    API = "api"
    READ_API = "read_api"
    READ_USER = "read_user"
    SUDO = "sudo"


class NamespaceKind(Enum):
    """A user's own namespace, or a group."""

    USER = "user"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account; a ``bot`` works in the projects of others, and creates none in a namespace of its own.

    Other users have at most ``projects_limit`` projects in their own namespace. Who is ``blocked`` is shut
    out.
    """

    id: int
    username: str
    name: str
    email: str | None
    is_admin: bool
    bot: bool
    projects_limit: int
    created_at: datetime
    blocked: bool = False

    @property
    def state(self) -> str:
        """GitLab's word for whether the user is shut out."""
        return "blocked" if self.blocked else "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A user's own namespace, or a group. Full path and full name begin with those of the ancestors.

    Its content is at most as visible as a group is; a user's own namespace does not limit visibility.
    """

    id: int
    kind: NamespaceKind
    parent_id: int | None
    owner_id: int | None
    path: str
    name: str
    full_path: str
    full_name: str
    description: str
    visibility: Visibility
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token with its user, and whether it is still valid. Its plain text is not stored."""

    id: int
    user: User
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    expired: bool
    revoked: bool
