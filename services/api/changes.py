"""Use cases of changing projects and groups."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.creation import refuse_visibility
from services.api.http.errors import Forbidden, NotFound, ParametersInvalid, Refused
from services.api.http.parameters import Checker
from shared.accounts.errors import NamespacePathTaken, VisibilityRefused
from shared.accounts.groups import GroupChanges, change_group
from shared.accounts.models import AccessLevel, Namespace
from shared.accounts.namespaces import find_namespace
from shared.database.pool import Pool
from shared.projects import changes, store
from shared.projects.changes import ProjectChanges
from shared.projects.models import Project
from shared.projects.rules import NameRefused, check_description, check_name, check_path
from shared.projects.store import Taken

_TAKEN = "has already been taken"


def read_project_changes(given: Mapping[str, object]) -> ProjectChanges:
    """Read what to change; what GitLab knows besides is passed over. Raises 400."""
    if not given:
        raise ParametersInvalid(
            "name, path, description, visibility are missing, at least one parameter must be provided"
        )
    checker = Checker(given)
    name, path, description = (checker.text(each) for each in ("name", "path", "description"))
    visibility = checker.visibility()
    checker.finish()
    name, path = _checked(name, path, description)
    return ProjectChanges(name=name, path=path, description=description, visibility=visibility)


def _checked(
    name: str | None, path: str | None, description: str | None = None
) -> tuple[str | None, str | None]:
    try:
        check_description(description or "")
        return None if name is None else check_name(name), None if path is None else check_path(path)
    except NameRefused as error:
        raise Refused(400, {error.field: [str(error)]}) from None


async def change_project(pool: Pool, project: Project, level: AccessLevel, wanted: ProjectChanges) -> Project:
    """Change a project as its maintainer; its name and who sees it are for owners. Raises 400 and 403."""
    needed = AccessLevel.OWNER if wanted.name or wanted.visibility is not None else AccessLevel.MAINTAINER
    if level < needed:
        raise Forbidden
    if wanted.visibility is not None:
        refuse_visibility(wanted.visibility, project.namespace)
    try:
        async with pool.acquire() as db, db.transaction():
            await changes.change(db, project.id, wanted)
    except Taken as error:
        raise Refused(400, {error.field: [_TAKEN]}) from None
    return await _found(pool, project.id)


async def archive_project(pool: Pool, project: Project, level: AccessLevel, *, archived: bool) -> Project:
    """Archive a project, or take it back, as its owner. Raises 403."""
    if level < AccessLevel.OWNER:
        raise Forbidden
    await changes.set_archived(pool, project.id, archived=archived)
    return await _found(pool, project.id)


async def _found(pool: Pool, project_id: int) -> Project:
    project = await store.find_by_id(pool, project_id)
    if project is None:
        raise NotFound("Project")
    return project


def read_group_changes(given: Mapping[str, object]) -> GroupChanges:
    """Read what to change. Raises 400."""
    checker = Checker(given)
    name, path, description = (checker.text(each) for each in ("name", "path", "description"))
    visibility = checker.visibility()
    checker.finish()
    name, path = _checked(name, path)
    return GroupChanges(name=name, path=path, description=description, visibility=visibility)


async def change_owned_group(
    pool: Pool, group: Namespace, level: AccessLevel, wanted: GroupChanges
) -> Namespace:
    """Change a group as its owner. Raises 400 and 403."""
    if level < AccessLevel.OWNER:
        raise Forbidden
    try:
        async with pool.acquire() as db, db.transaction():
            await change_group(db, group.id, wanted)
    except NamespacePathTaken:
        raise Refused(400, {"path": [_TAKEN]}) from None
    except VisibilityRefused as error:
        raise Refused(400, {"visibility_level": [str(error)]}) from None
    changed = await find_namespace(pool, group.id)
    if changed is None:
        raise NotFound("Group")
    return changed
