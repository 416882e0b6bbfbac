"""Which project or namespace is meant, and whether the user may see and change it, in GitLab's order."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, User
from shared.accounts.namespaces import find_namespace, find_namespace_by_path
from shared.accounts.visibility import lowest_visible
from shared.database.pool import Database
from shared.errors import Denied, Unauthenticated
from shared.projects import access, store
from shared.projects.changes import find_moved
from shared.projects.models import Project
from shared.usecases.errors import MovedProject, NotFound

_BIGINT_DIGITS = 18


@dataclass(frozen=True, slots=True)
class VisibleProject:
    """A project that the user, a stranger perhaps, may see, and the user's level there."""

    project: Project
    level: AccessLevel

    def require(self, level: AccessLevel) -> Project:
        """Give the project. Raises Denied below that level."""
        if self.level < level:
            raise Denied
        return self.project


@dataclass(frozen=True, slots=True)
class VisibleNamespace:
    """A namespace that the user may see, and the user's level there."""

    namespace: Namespace
    level: AccessLevel

    def require(self, level: AccessLevel) -> Namespace:
        """Give the namespace. Raises Denied below that level."""
        if self.level < level:
            raise Denied
        return self.namespace


def require_user(user: User | None) -> User:
    """Give the user. Raises Unauthenticated for a stranger."""
    if user is None:
        raise Unauthenticated
    return user


def require_administrator(user: User | None) -> User:
    """Give the user. Raises Unauthenticated for a stranger, and Denied for all but administrators."""
    known = require_user(user)
    if not known.is_admin:
        raise Denied
    return known


async def namespace_level(db: Database, user: User | None, namespace: Namespace) -> AccessLevel:
    """Give the user's level in a namespace; an administrator owns everything, a stranger nothing."""
    if user is None:
        return AccessLevel.NONE
    return AccessLevel.OWNER if user.is_admin else await access.namespace_level(db, user.id, namespace.id)


async def project_level(db: Database, user: User | None, project: Project) -> AccessLevel:
    """Give the user's level in a project; an administrator owns everything, a stranger nothing."""
    if user is None:
        return AccessLevel.NONE
    return AccessLevel.OWNER if user.is_admin else await access.project_level(db, user.id, project.id)


def is_own_of_bot(user: User, namespace: Namespace) -> bool:
    """Tell whether the namespace is the user's own, who is a bot: nothing may be put into it."""
    return user.bot and namespace.owner_id == user.id


def sees(user: User | None, what: Project | Namespace, level: AccessLevel) -> bool:
    """Tell whether the user, a stranger perhaps, may know of the project or group."""
    return level >= AccessLevel.GUEST or what.visibility >= lowest_visible(signed_in=user is not None)


async def find_visible(db: Database, user: User | None, project: Project | None) -> VisibleProject:
    """Give a project that was looked for, and the user's level. Raises NotFound where it is not visible."""
    level = AccessLevel.NONE if project is None else await project_level(db, user, project)
    if project is None or not sees(user, project, level):
        raise NotFound("Project")
    return VisibleProject(project, level)


async def visible_project(db: Database, user: User | None, reference: str) -> VisibleProject:
    """Give the project of an id or full path.

    Raises NotFound where the user cannot see it, and MovedProject for a path that it had once.
    """
    project = await store.find(db, reference)
    if project is not None or "/" not in reference:
        return await find_visible(db, user, project)
    moved_to = await find_moved(db, reference)
    project = None if moved_to is None else await store.find_by_id(db, moved_to)
    raise MovedProject((await find_visible(db, user, project)).project.id)


async def administered_project(db: Database, user: User | None, reference: str) -> Project:
    """Give the project of an id or full path to its maintainer.

    Raises what ``visible_project`` raises, Denied where the user only sees it, Unauthenticated for strangers.
    """
    found = await visible_project(db, user, reference)
    return found.require(AccessLevel.MAINTAINER)


async def visible_group(db: Database, user: User | None, reference: str) -> VisibleNamespace:
    """Give the group of an id or full path. Raises NotFound where the user cannot see it."""
    group = await _namespace(db, reference)
    level = await namespace_level(db, user, group) if group else AccessLevel.NONE
    if group is None or group.kind is not NamespaceKind.GROUP or not sees(user, group, level):
        raise NotFound("Group")
    return VisibleNamespace(group, level)


async def visible_namespace(db: Database, user: User, reference: str) -> VisibleNamespace:
    """Give the namespace of an id or full path.

    Raises NotFound without a level there, however visible a group is: it is for who puts something into it.
    """
    namespace = await _namespace(db, reference)
    level = await namespace_level(db, user, namespace) if namespace else AccessLevel.NONE
    if namespace is None or not level:
        raise NotFound("Namespace")
    return VisibleNamespace(namespace, level)


async def _namespace(db: Database, reference: str) -> Namespace | None:
    if reference.isascii() and reference.isdecimal() and len(reference) <= _BIGINT_DIGITS:
        return await find_namespace(db, int(reference))
    return await find_namespace_by_path(db, reference)
