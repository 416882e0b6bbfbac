from __future__ import annotations

import pytest

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group
from shared.accounts.tokens import create_token
from shared.accounts.users import find_user_by_id
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.forms import HEADERS, Part, form_body

REFUSED = (400, {"message": "Namespace is not valid"})


@pytest.fixture
async def bot(api: Api) -> User:
    await api.user("root", is_admin=True)
    given = {
        "username": "robot", "name": "Robot", "email": "r@example.com", "reset_password": True, "bot": True,
    }  # fmt: skip
    made = await api.post("/users", by="root", json=given)
    assert (made.status, made.body["bot"]) == (201, True)
    user = await find_user_by_id(api.pool, made.body["id"])
    assert user is not None
    api.tokens["bot"] = await create_token(api.pool, user.id, name="test")
    return user


async def _import(api: Api, **fields: str) -> Answer:
    parts = [Part(name, value) for name, value in fields.items()]
    body = form_body([*parts, Part("file", ARCHIVE, "x.tar.gz")])
    return await api.post("/projects/import", by="bot", data=body, headers=HEADERS)


@pytest.mark.usefixtures("bot")
async def test_a_bot_imports_nothing_into_its_own_namespace(api: Api) -> None:
    for fields in ({}, {"namespace": "robot"}, {"namespace_path": "ROBOT"}):
        answer = await _import(api, path="p", **fields)
        assert (answer.status, answer.body) == REFUSED
    assert await api.objects_left() == 0


@pytest.mark.usefixtures("bot")
async def test_a_bot_makes_no_project_in_its_own_namespace(api: Api) -> None:
    answer = await api.post("/projects", by="bot", json={"path": "p"})
    assert (answer.status, answer.body) == (400, {"message": {"namespace": ["is not valid"]}})


async def test_a_bot_imports_where_it_is_a_maintainer(api: Api, bot: User) -> None:
    group = await create_group(api.pool, "grp", name="Grp")
    await add_member(api.pool, bot.id, namespace_id=group.id, level=AccessLevel.MAINTAINER)

    assert (await _import(api, path="p", namespace="grp")).status == 201


async def test_users_are_shown_as_bots_or_not(api: Api, bot: User) -> None:
    ann = await api.user("ann")
    assert (await api.get("/user", by="bot")).body["bot"] is True
    for by in ("ann", "root"):
        assert (await api.get(f"/users/{bot.id}", by=by)).body["bot"] is True
        assert (await api.get(f"/users/{ann.id}", by=by)).body["bot"] is False
