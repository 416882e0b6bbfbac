"""Use cases of creating empty projects and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.api.http.errors import Forbidden, NotFound, Refused
from services.api.http.parameters import Checker
from services.api.permissions import is_own_of_bot, visible_group, visible_namespace
from shared.accounts.errors import NamespaceGone, NamespacePathTaken, VisibilityRefused
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import create_group, personal_namespace
from shared.database.pool import Database, Pool
from shared.gitlab.visibility import Visibility
from shared.projects import store
from shared.projects.models import Project
from shared.projects.rules import NameRefused, check_description, check_name, check_path, path_of_name
from shared.projects.store import LimitReached, NewProject, Taken

_TAKEN = "has already been taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRequest:
    """What was asked for, read; without ``namespace_id`` it is for the caller's own namespace."""

    name: str
    path: str
    namespace_id: int | None
    description: str | None
    visibility: Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRequest:
    """What was asked for, read; without ``parent_id`` it is for a group at the top."""

    name: str
    path: str
    description: str
    parent_id: int | None
    visibility: Visibility


def read_project(given: Mapping[str, object]) -> ProjectRequest:
    """Read it; the path may come of the name, and the name of the path. Raises 400."""
    checker = Checker(given)
    name = checker.text("name") or ""
    path = checker.text("path") or ""
    if not name and not path:
        checker.problems.append("name, path are missing, at least one parameter must be provided")
    visibility = checker.visibility() or Visibility.PRIVATE
    namespace_id = checker.integer("namespace_id")
    description = checker.text("description")
    checker.finish()
    return ProjectRequest(
        name=name or path,
        path=path or path_of_name(name),
        namespace_id=namespace_id,
        description=description,
        visibility=visibility,
    )


async def create_project(pool: Pool, caller: User, wanted: ProjectRequest) -> Project:
    """Insert an empty project. Raises 400 and 404 as GitLab does."""
    namespace = await _namespace(pool, caller, wanted.namespace_id)
    refuse_visibility(wanted.visibility, namespace)
    try:
        new = NewProject(
            namespace_id=namespace.id, creator_id=caller.id, path=check_path(wanted.path),
            name=check_name(wanted.name), description=check_description(wanted.description or "") or None,
            visibility=wanted.visibility,
        )  # fmt: skip
        async with pool.acquire() as db, db.transaction():
            await store.refuse_over_limit(db, namespace.id)
            return await store.create(db, new)
    except LimitReached as error:
        raise Refused(400, {"limit_reached": [str(error)]}) from None
    except NameRefused as error:
        raise Refused(400, {error.field: [str(error)]}) from None
    except Taken as error:
        raise Refused(400, {error.field: [_TAKEN]}) from None
    except NamespaceGone:
        raise Refused(400, {"namespace": ["is not valid"]}) from None


def refuse_visibility(visibility: Visibility, namespace: Namespace) -> None:
    """Raise 400 where a project would be more visible than its group."""
    if visibility > namespace.visibility:
        refused = VisibilityRefused(visibility, f"in a {namespace.visibility.word} group.")
        raise Refused(400, {"visibility_level": [str(refused)]})


async def _namespace(db: Database, caller: User, namespace_id: int | None) -> Namespace:
    if namespace_id is None:
        namespace, level = await personal_namespace(db, caller.id), AccessLevel.OWNER
    else:
        namespace, level = await visible_namespace(db, caller, str(namespace_id))
    if level < AccessLevel.DEVELOPER or is_own_of_bot(caller, namespace):
        raise Refused(400, {"namespace": ["is not valid"]})
    return namespace


def read_group(given: Mapping[str, object]) -> GroupRequest:
    """Read it. Raises 400."""
    checker = Checker(given)
    checker.require("name")
    checker.require("path")
    wanted = GroupRequest(
        name=checker.text("name") or "",
        path=checker.text("path") or "",
        description=checker.text("description") or "",
        parent_id=checker.integer("parent_id"),
        visibility=checker.visibility() or Visibility.PRIVATE,
    )
    checker.finish()
    return wanted


async def create_owned_group(pool: Pool, caller: User, wanted: GroupRequest) -> Namespace:
    """Insert a group that the caller owns. Raises 400, 403 and 404 as GitLab does."""
    parent = None
    if wanted.parent_id is not None:
        parent, level = await visible_group(pool, caller, str(wanted.parent_id))
        if level < AccessLevel.MAINTAINER:
            raise Forbidden
    try:
        path, name = check_path(wanted.path), check_name(wanted.name)
        async with pool.acquire() as db, db.transaction():
            group = await create_group(
                db, path, name=name, parent=parent, description=wanted.description,
                visibility=wanted.visibility,
            )  # fmt: skip
            await add_member(db, caller.id, namespace_id=group.id, level=AccessLevel.OWNER)
    except NameRefused as error:
        raise Refused(400, _unsaved(error.field, str(error))) from None
    except NamespacePathTaken:
        raise Refused(400, _unsaved("path", _TAKEN)) from None
    except NamespaceGone:
        raise NotFound("Group") from None
    except VisibilityRefused as error:
        raise Refused(400, _unsaved("visibility_level", str(error))) from None
    return group


def _unsaved(field: str, problem: str) -> str:
    """Say it in the form that GitLab's clients search in."""
    return f'Failed to save group {{:{field}=>["{problem}"]}}'
