"""Users, namespaces and what a token allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum

from shared.gitlab.visibility import Visibility


class AccessLevel(IntEnum):
    """GitLab's access levels; a higher one includes the lower ones."""

    NONE = 0
    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


class Scope(Enum):
    """What a token may be used for: everything, reading, reading of users, acting as somebody else."""

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
    """An account; a ``bot`` works in projects of others and puts none into a namespace of its own.

    Others put at most ``projects_limit`` into theirs.
    """

    id: int
    username: str
    name: str
    email: str | None
    is_admin: bool
    bot: bool
    projects_limit: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Where projects live. ``full_path`` and ``full_name`` begin with those of the ancestors.

    What is in it is at most as visible; a user's own namespace limits nothing.
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
    """A token as it was found: whose it is, and whether it still holds. Its text is known to nobody."""

    id: int
    user: User
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    expired: bool
    revoked: bool
