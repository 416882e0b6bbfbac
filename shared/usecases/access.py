"""Finds the project or namespace of a request and checks the user's access to it, in GitLab's order.

In all functions, ``user`` is None for a client that is not signed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, User
from shared.accounts.namespaces import find_namespace, find_namespace_by_path
from shared.accounts.visibility import lowest_visible
from shared.database.pool import Database
from shared.errors import Denied, Unauthenticated
from shared.projects import access, store
from shared.projects.changes import find_moved
from shared.projects.models import Project
from shared.projects.store import ReachedProject
from shared.usecases.errors import MovedProject, NotFound

T = TypeVar("T")

_BIGINT_DIGITS = 18


@dataclass(frozen=True, slots=True)
class VisibleProject:
    """A project that the user may see, the user's access level in it, and whether there is a user."""

    project: Project
    level: AccessLevel
    signed_in: bool

    def require(self, level: AccessLevel) -> Project:
        """Return the project. Raises Denied if the user's level is lower than ``level``."""
        if self.level < level:
            raise Denied
        return self.project


@dataclass(frozen=True, slots=True)
class VisibleNamespace:
    """A namespace that the user may see, and the user's access level in it."""

    namespace: Namespace
    level: AccessLevel

    def require(self, level: AccessLevel) -> Namespace:
        """Return the namespace. Raises Denied if the user's level is lower than ``level``."""
        if self.level < level:
            raise Denied
        return self.namespace


def require_user(user: User | None) -> User:
    """Return the user. Raises Unauthenticated if there is none."""
    if user is None:
        raise Unauthenticated
    return user


def require_administrator(user: User | None) -> User:
    """Return the user. Raises Unauthenticated if there is none, and Denied if it is no administrator."""
    known = require_user(user)
    if not known.is_admin:
        raise Denied
    return known


async def find_namespace_level(db: Database, user: User | None, namespace: Namespace) -> AccessLevel:
    """Return the user's access level in a namespace: OWNER for administrators, NONE without a user."""
    if user is None:
        return AccessLevel.NONE
    return AccessLevel.OWNER if user.is_admin else await access.namespace_level(db, user.id, namespace.id)


async def find_project_level(db: Database, user: User | None, project: Project) -> AccessLevel:
    """Return the user's access level in a project: OWNER for administrators, NONE without a user."""
    if user is None:
        return AccessLevel.NONE
    return AccessLevel.OWNER if user.is_admin else await access.project_level(db, user.id, project.id)


def is_own_namespace_of_bot(user: User, namespace: Namespace) -> bool:
    """Return whether the user is a bot and owns the namespace. No project may be created in it then."""
    return user.bot and namespace.owner_id == user.id


def is_visible(user: User | None, what: Project | Namespace, level: AccessLevel) -> bool:
    """Return whether a user with this access level may see the project or group."""
    return level >= AccessLevel.GUEST or what.visibility >= lowest_visible(signed_in=user is not None)


async def require_visible(db: Database, user: User | None, project: Project | None) -> VisibleProject:
    """Return the project with the user's level. Raises NotFound if it is None or the user may not see it."""
    level = AccessLevel.NONE if project is None else await find_project_level(db, user, project)
    return _visible(user, project, level)


def _visible(user: User | None, project: Project | None, level: AccessLevel) -> VisibleProject:
    if project is None or not is_visible(user, project, level):
        raise NotFound("Project")
    return VisibleProject(project, level, signed_in=user is not None)


async def find_visible_project(db: Database, user: User | None, reference: str) -> VisibleProject:
    """Return the project with this id or full path.

    Raises NotFound if the user may not see it, and MovedProject if the project had this path before.
    """
    return await require_reached(db, user, reference, await store.find_reached(db, user, reference))


async def require_reached(
    db: Database, user: User | None, reference: str, found: ReachedProject | None
) -> VisibleProject:
    """Return the project that was found by this reference. Raises what ``find_visible_project`` raises."""
    if found is not None:
        return _visible(user, found.project, found.level)
    if "/" not in reference:
        raise NotFound("Project")
    moved_to = await find_moved(db, reference)
    project = None if moved_to is None else await store.find_by_id(db, moved_to)
    raise MovedProject((await require_visible(db, user, project)).project.id)


async def read_visible_project(
    db: Database, user: User | None, reference: str, read: Callable[[VisibleProject], Awaitable[T]]
) -> T:
    """Return what ``read`` makes of the project with this id or full path.

    It is looked up again, once, if ``read`` raises NotFound: an import that replaces a project gives the path
    to the new one and deletes the old one, perhaps after the lookup. Raises what ``find_visible_project`` and
    ``read`` raise.
    """
    try:
        return await read(await find_visible_project(db, user, reference))
    except NotFound:
        return await read(await find_visible_project(db, user, reference))


async def find_maintained_project(db: Database, user: User | None, reference: str) -> Project:
    """Return the project with this id or full path, if the user is a maintainer of it.

    Raises what ``find_visible_project`` raises, and Denied if the user's level is lower.
    """
    found = await find_visible_project(db, user, reference)
    return found.require(AccessLevel.MAINTAINER)


async def find_visible_group(db: Database, user: User | None, reference: str) -> VisibleNamespace:
    """Return the group with this id or full path. Raises NotFound if the user may not see it."""
    group = await _namespace(db, reference)
    level = await find_namespace_level(db, user, group) if group else AccessLevel.NONE
    if group is None or group.kind is not NamespaceKind.GROUP or not is_visible(user, group, level):
        raise NotFound("Group")
    return VisibleNamespace(group, level)


async def find_visible_namespace(db: Database, user: User, full_path: str) -> VisibleNamespace | None:
    """Return the namespace with this full path; None if there is none that the user may see."""
    namespace = await find_namespace_by_path(db, full_path)
    if namespace is None:
        return None
    level = await find_namespace_level(db, user, namespace)
    return VisibleNamespace(namespace, level) if is_visible(user, namespace, level) else None


async def find_member_namespace(db: Database, user: User, reference: str) -> VisibleNamespace:
    """Return the namespace with this id or full path, in which the user wants to create something.

    Raises NotFound if the user has no access level in it, even if it is a public group.
    """
    namespace = await _namespace(db, reference)
    level = await find_namespace_level(db, user, namespace) if namespace else AccessLevel.NONE
    if namespace is None or not level:
        raise NotFound("Namespace")
    return VisibleNamespace(namespace, level)


async def _namespace(db: Database, reference: str) -> Namespace | None:
    if reference.isascii() and reference.isdecimal() and len(reference) <= _BIGINT_DIGITS:
        return await find_namespace(db, int(reference))
    return await find_namespace_by_path(db, reference)
