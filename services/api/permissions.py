"""Which project or namespace a request is about, and whether its caller may do that: GitLab's answers."""

from __future__ import annotations

import re

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.http.errors import ApiError, Forbidden, Moved, NotFound, Refused
from services.api.middleware.identify import find_caller, require_caller
from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, User
from shared.accounts.namespaces import find_namespace, find_namespace_by_path
from shared.accounts.visibility import lowest_visible
from shared.database.pool import Database
from shared.projects import access, store
from shared.projects.changes import find_moved
from shared.projects.models import Project

_PROJECT = re.compile(r"(/projects/+)[^/?]+")


def require_administrator(request: web.Request) -> User:
    """Tell which administrator asks; raises 401 for a stranger and 403 for everybody else."""
    caller = require_caller(request)
    if not caller.is_admin:
        raise Forbidden
    return caller


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


async def visible_project(request: web.Request, *, db: Database | None = None) -> tuple[Project, AccessLevel]:
    """Give the project of the address and the caller's level; raises 404 where the caller cannot see it."""
    db = db or request.app[DEPENDENCIES].pool
    caller = find_caller(request)
    project, level, has_moved = await _visible(db, caller, request.match_info["id"])
    if has_moved:
        raise _moved(request, project)
    return project, level


async def _visible(db: Database, caller: User | None, reference: str) -> tuple[Project, AccessLevel, bool]:
    """Give the project of an id or full path, the caller's level, and whether the path is an old one."""
    has_moved = False
    project = await store.find(db, reference)
    if project is None and "/" in reference:
        moved_to = await find_moved(db, reference)
        project = None if moved_to is None else await store.find_by_id(db, moved_to)
        has_moved = True
    if project is None:
        raise NotFound("Project")
    level = await project_level(db, caller, project)
    if not sees(caller, project, level):
        raise NotFound("Project")
    return project, level, has_moved


async def administered_by(db: Database, caller: User, reference: str) -> Project:
    """Give the project of an id or full path. Raises 404, 405 by an old path, and 403, as for a request."""
    project, level, has_moved = await _visible(db, caller, reference)
    if has_moved:
        raise _not_by_old_path()
    if level < AccessLevel.MAINTAINER:
        raise Forbidden
    return project


def _not_by_old_path() -> ApiError:
    return Refused(405, "Non GET methods are not allowed for moved projects")


def _moved(request: web.Request, project: Project) -> ApiError:
    """Make the answer to who asks by an old path: the same address with the id, 405 for changes."""
    if request.method not in ("GET", "HEAD"):
        return _not_by_old_path()
    path = _PROJECT.sub(rf"\g<1>{project.id}", request.raw_path, count=1)
    return Moved(request.app[DEPENDENCIES].config.external_url + path)


async def administered_project(request: web.Request) -> tuple[Project, User]:
    """Give the project of the address and its maintainer who asks.

    Raises 404 where the caller cannot see it, and 403 where the caller sees it only.
    """
    project, level = await visible_project(request)
    if level < AccessLevel.MAINTAINER:
        raise Forbidden
    return project, require_caller(request)


async def visible_group(db: Database, user: User | None, reference: str) -> tuple[Namespace, AccessLevel]:
    """Give the group of an id or full path and the level of the user, who may be a stranger.

    Raises 404 where the user cannot see it.
    """
    group = await _namespace(db, reference)
    level = await namespace_level(db, user, group) if group else AccessLevel.NONE
    if group is None or group.kind is not NamespaceKind.GROUP or not sees(user, group, level):
        raise NotFound("Group")
    return group, level


async def visible_namespace(db: Database, user: User, reference: str) -> tuple[Namespace, AccessLevel]:
    """Give the namespace of an id or full path and the user's level.

    Raises 404 without a level there, however visible a group is: it is for who may put something into it.
    """
    namespace = await _namespace(db, reference)
    level = await namespace_level(db, user, namespace) if namespace else AccessLevel.NONE
    if namespace is None or not level:
        raise NotFound("Namespace")
    return namespace, level


async def _namespace(db: Database, reference: str) -> Namespace | None:
    if reference.isascii() and reference.isdecimal() and len(reference) < 19:  # noqa: PLR2004  # digits of a bigint
        return await find_namespace(db, int(reference))
    return await find_namespace_by_path(db, reference)
