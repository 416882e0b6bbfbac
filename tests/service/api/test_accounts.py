from __future__ import annotations

import pytest

from shared.accounts.errors import NamespacePathTaken, UsernameTaken
from shared.accounts.memberships import add_member, add_project_member
from shared.accounts.models import AccessLevel
from shared.accounts.namespaces import create_group, personal_namespace
from shared.accounts.tokens import find_by_token
from shared.accounts.users import create_user, ensure_root
from shared.projects import access
from tests.support.api import Api


async def test_a_user_comes_with_a_namespace_and_names_are_taken_whatever_the_case(api: Api) -> None:
    user = await create_user(api.pool, "ann", name="Ann")

    assert (await personal_namespace(api.pool, user.id)).full_path == "ann"
    with pytest.raises(UsernameTaken):
        await create_user(api.pool, "ANN", name="Ann")


async def test_a_user_is_not_made_where_a_group_has_the_name(api: Api) -> None:
    await create_group(api.pool, "ann", name="Group")

    with pytest.raises(UsernameTaken):
        await create_user(api.pool, "ann", name="Ann")
    with pytest.raises(NamespacePathTaken):
        await create_group(api.pool, "Ann", name="Group")

    assert await api.pool.fetchval("SELECT count(*) FROM users") == 0


async def test_the_first_administrator_is_made_once_and_has_the_last_token_only(api: Api) -> None:
    async with api.pool.acquire() as db:
        for token in ("first", "first", "second"):
            async with db.transaction():
                root = await ensure_root(db, token)

    found = await find_by_token(api.pool, "second")
    assert found is not None
    assert (found.user, root.is_admin, root.username, root.name) == (root, True, "root", "Administrator")
    assert await find_by_token(api.pool, "first") is None
    assert await api.pool.fetchval("SELECT count(*) FROM users") == 1


async def test_the_highest_level_of_project_namespace_and_ancestors_counts(api: Api) -> None:
    owner, bob = await api.user("ann"), await api.user("bob")
    top = await create_group(api.pool, "top", name="Top")
    sub = await create_group(api.pool, "sub", name="Sub", parent=top)
    project = await api.project(owner)

    assert await access.project_level(api.pool, owner.id, project.id) == AccessLevel.OWNER
    assert await access.project_level(api.pool, bob.id, project.id) == AccessLevel.NONE
    await add_project_member(api.pool, bob.id, project_id=project.id, level=AccessLevel.DEVELOPER)
    assert await access.project_level(api.pool, bob.id, project.id) == AccessLevel.DEVELOPER
    await add_member(api.pool, bob.id, namespace_id=top.id, level=AccessLevel.MAINTAINER)
    await add_member(api.pool, bob.id, namespace_id=sub.id, level=AccessLevel.GUEST)
    assert await access.namespace_level(api.pool, bob.id, sub.id) == AccessLevel.MAINTAINER
    assert await access.namespace_level(api.pool, owner.id, sub.id) == AccessLevel.NONE
