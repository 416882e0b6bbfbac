"""Lists, creates, changes and deletes groups, and lists namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.accounts.errors import NamespaceGone, NamespacePathTaken, VisibilityRefused
from shared.accounts.groups import GroupChanges, change_group, delete_group, free_path
from shared.accounts.limits import refuse_more_groups
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import NamespaceQuery, create_group, find_namespace, list_namespaces
from shared.database.pool import Pool
from shared.database.search import Found
from shared.database.transactions import transaction
from shared.gitlab.visibility import Visibility
from shared.projects.rules import NameRefused, check_name, check_path
from shared.usecases.access import VisibleNamespace, find_member_namespace, find_visible_group, require_user
from shared.usecases.errors import FieldsInvalid, GroupNotSaved, NotFound
from shared.usecases.projects import TAKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRequest:
    """A group to create; without ``parent_id`` it is a top-level group."""

    name: str
    path: str
    description: str
    parent_id: int | None
    visibility: Visibility


@contextmanager
def group_errors() -> Iterator[None]:
    """Make why a group is not inserted GroupNotSaved, or NotFound where the one above it has gone."""
    try:
        yield
    except NameRefused as error:
        raise GroupNotSaved(error.field, str(error), cause=error) from None
    except NamespacePathTaken as error:
        raise GroupNotSaved("path", TAKEN, cause=error) from None
    except NamespaceGone:
        raise NotFound("Group") from None
    except VisibilityRefused as error:
        raise GroupNotSaved("visibility_level", str(error), cause=error) from None


class Groups:
    """Lists, creates, changes and deletes groups."""

    def __init__(self, pool: Pool, *, limit: int) -> None:
        self._pool = pool
        self._limit = limit

    async def list(self, actor: User | None, query: NamespaceQuery) -> Found[Namespace]:
        """List the namespaces that match ``query`` and that the user may see."""
        return await list_namespaces(self._pool, actor, query)

    async def show(self, actor: User | None, reference: str) -> Namespace:
        """Return a group. Raises NotFound."""
        return (await find_visible_group(self._pool, actor, reference)).namespace

    async def show_namespace(self, actor: User | None, reference: str) -> Namespace:
        """Return a namespace in which the user has an access level. Raises Unauthenticated and NotFound."""
        return (await find_member_namespace(self._pool, require_user(actor), reference)).namespace

    async def free_path(self, actor: User | None, path: str, *, parent_id: int | None) -> str | None:
        """Return None if the path is free, else a similar path that is. Invisible namespaces count as well.

        Raises Unauthenticated.
        """
        require_user(actor)
        return await free_path(self._pool, path, parent_id=parent_id)

    async def create(self, actor: User | None, request: GroupRequest) -> Namespace:
        """Create a group that the user owns.

        Raises Unauthenticated, NotFound, Denied, TooManyGroups and GroupNotSaved.
        """
        user, parent = require_user(actor), None
        if request.parent_id is not None:
            above = await find_visible_group(self._pool, user, str(request.parent_id))
            parent = above.require(AccessLevel.MAINTAINER)
        with group_errors():
            return await self._insert(user, request, parent)

    async def _insert(self, user: User, request: GroupRequest, parent: Namespace | None) -> Namespace:
        path, name = check_path(request.path), check_name(request.name)
        async with transaction(self._pool) as db:
            await refuse_more_groups(db, user.id, limit=self._limit)
            group = await create_group(
                db,
                path,
                name=name,
                parent=parent,
                description=request.description,
                visibility=request.visibility,
            )
            await add_member(db, user.id, namespace_id=group.id, level=AccessLevel.OWNER)
        return group

    async def find_to_change(self, actor: User | None, reference: str) -> VisibleNamespace:
        """Return a group to change. Call this before the changes are parsed, as GitLab reports it first.

        Raises Unauthenticated and NotFound.
        """
        return await find_visible_group(self._pool, require_user(actor), reference)

    async def change(self, found: VisibleNamespace, request: GroupChanges) -> Namespace:
        """Change a group as its owner, and return it. Raises Denied, FieldsInvalid and NotFound."""
        group = found.require(AccessLevel.OWNER)
        try:
            async with self._pool.acquire() as db, db.transaction():
                await change_group(db, group.id, request)
        except NamespacePathTaken as error:
            raise FieldsInvalid({"path": [TAKEN]}, cause=error) from None
        except VisibilityRefused as error:
            raise FieldsInvalid({"visibility_level": [str(error)]}, cause=error) from None
        changed = await find_namespace(self._pool, group.id)
        if changed is None:
            raise NotFound("Group")
        return changed

    async def delete(self, actor: User | None, reference: str) -> None:
        """Delete a group with its subgroups and projects.

        Raises Unauthenticated, NotFound, and Denied if the user is no owner.
        """
        found = await self.find_to_change(actor, reference)
        await delete_group(self._pool, found.require(AccessLevel.OWNER).id)
