"""Which project or namespace a request is about, and whether its caller may do that: GitLab's answers."""

from __future__ import annotations

from aiohttp import web

from services.api.authentication import find_caller, require_caller
from services.api.dependencies import DEPENDENCIES
from services.api.errors import Forbidden, NotFound
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import find_namespace, find_namespace_by_path
from shared.database.pool import Database
from shared.projects import access, store
from shared.projects.models import Project, Visibility


async def namespace_level(db: Database, user: User, namespace: Namespace) -> AccessLevel:
    """Give the user's level in a namespace; an administrator owns everything."""
    return AccessLevel.OWNER if user.is_admin else await access.namespace_level(db, user.id, namespace.id)


async def project_level(db: Database, user: User | None, project: Project) -> AccessLevel:
    """Give the user's level in a project; an administrator owns everything, a stranger nothing."""
    if user is None:
        return AccessLevel.NONE
    return AccessLevel.OWNER if user.is_admin else await access.project_level(db, user.id, project.id)


def _sees(user: User | None, project: Project, level: AccessLevel) -> bool:
    open_to = Visibility.PUBLIC if user is None else Visibility.INTERNAL
    return level >= AccessLevel.GUEST or project.visibility >= open_to


async def visible_project(request: web.Request, *, db: Database | None = None) -> tuple[Project, AccessLevel]:
    """Give the project of the address and the caller's level; raises 404 where the caller cannot see it."""
    db = db or request.app[DEPENDENCIES].pool
    caller = find_caller(request)
    project = await store.find(db, request.match_info["id"])
    if project is None:
        raise NotFound("Project")
    level = await project_level(db, caller, project)
    if not _sees(caller, project, level):
        raise NotFound("Project")
    return project, level


async def administered_project(request: web.Request) -> tuple[Project, User]:
    """Give the project of the address and its maintainer who asks.

    Raises 404 where the caller cannot see it, and 403 where the caller sees it only.
    """
    project, level = await visible_project(request)
    if level < AccessLevel.MAINTAINER:
        raise Forbidden
    return project, require_caller(request)


async def visible_namespace(
    db: Database, user: User, reference: str, *, resource: str = "Namespace"
) -> tuple[Namespace, AccessLevel]:
    """Give the namespace of an id or full path and the user's level; raises 404 without a level there."""
    namespace = (
        await find_namespace(db, int(reference))
        if reference.isascii() and reference.isdecimal() and len(reference) < 19  # noqa: PLR2004  # digits of a bigint
        else await find_namespace_by_path(db, reference)
    )
    level = await namespace_level(db, user, namespace) if namespace else AccessLevel.NONE
    if namespace is None or not level:
        raise NotFound(resource)
    return namespace, level
