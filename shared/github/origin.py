"""The repository that is mapped, and who its people are here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.github.answers import User

_GHOST_ID = 10137
GHOST = User(_GHOST_ID, "ghost")
"""GitHub's account for those that were deleted; where it says null instead, this one is taken."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person whom an account of GitHub is mapped to, by the user name and public e-mail at the GitLab."""

    username: str
    public_email: str | None = None


class People(Protocol):
    """Who the accounts of GitHub are."""

    def find(self, user: User) -> Person | None:
        """Give the person of an account, by its id, login, name or public e-mail; None for nobody."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The repository, and where its project is.

    ``repository_id`` is the ``project_id`` of all records: a GitLab that imports them puts its own there.
    ``full_name`` is ``OWNER/REPO``; ``web_url`` the address of GitHub for browsers, ``project_url`` that of
    the project, both without a slash at the end. ``now`` is the time of what GitHub keeps no time of.
    """

    repository_id: int
    full_name: str
    web_url: str
    project_url: str
    people: People
    now: datetime

    def is_mapped(self, user: User) -> bool:
        """Tell whether the account is somebody here."""
        return self.people.find(user) is not None

    def mapped_id(self, user: User | None) -> int | None:
        """Give the id of an account that is somebody here.

        A GitLab that imports a record takes whom it does not know for the importer: nobody is assigned, has
        approved or merged by that.
        """
        return user.id if user is not None and self.is_mapped(user) else None


def is_ghost(user: User) -> bool:
    """Tell whether the account stands for those that were deleted."""
    return user.id == GHOST.id or user.login == GHOST.login


def author_of(user: User | None) -> User:
    """Give the account, or the ghost."""
    return user or GHOST
