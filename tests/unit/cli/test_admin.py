from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable

import asyncpg
import pytest

from services.cli.__main__ import main
from shared.accounts.models import AccessLevel
from shared.accounts.tokens import find_by_token
from shared.database.migrate import migrate
from tests.support.sealing import KEY, OTHER_KEY, sealer

Run = Callable[..., str]


@pytest.fixture
def crossdock(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``crossdock``, expects the exit code, and gives what it printed on stdout."""

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["crossdock", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        assert (exit_.value.code or 0) == code
        return capsys.readouterr().out.strip()

    return run


@pytest.fixture
def empty(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that is meant has no schema."""
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", empty_database_url)
    return empty_database_url


@pytest.fixture
def admin(crossdock: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``crossdock admin`` over a migrated database."""
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", database_url)

    def run(*arguments: str, code: int = 0) -> str:
        return crossdock("admin", *arguments, code=code)

    return run


@pytest.mark.usefixtures("empty")
def test_a_migrated_database_has_nothing_to_migrate(crossdock: Run) -> None:
    assert crossdock("migrate").startswith("migrated: 1, 2")
    assert crossdock("migrate") == "nothing to migrate"


def test_a_schema_can_be_taken_back(crossdock: Run, empty: str) -> None:
    crossdock("migrate")
    crossdock("migrate", "--to", "0")
    assert asyncio.run(migrate(empty)).steps[0] == 1


@pytest.mark.usefixtures("empty")
def test_without_a_schema_one_is_told_to_migrate(crossdock: Run, capsys: pytest.CaptureFixture[str]) -> None:
    crossdock("admin", "list-users", code=2)
    assert capsys.readouterr().err == ""


def test_secrets_are_sealed_anew_with_the_first_key(admin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_SECRETS_KEY", KEY)
    assert admin("rotate-secrets") == "0 secrets sealed with the first key"
    monkeypatch.setenv("CROSSDOCK_SECRETS_KEY", f"{OTHER_KEY},{KEY}")
    unused = sealer().key_ids
    told = json.loads(admin("rotate-secrets", "--json"))
    assert told == {"renewed": 0, "unreadable": {}, "unused_keys": unused}
    assert f"the key {unused[0]} seals nothing any more" in admin("rotate-secrets")
    monkeypatch.setenv("CROSSDOCK_SECRETS_KEY", KEY)
    admin("rotate-secrets", code=1)
    monkeypatch.delenv("CROSSDOCK_SECRETS_KEY")
    admin("rotate-secrets", code=1)


def test_a_token_opens_the_door_as_its_user(admin: Run, database_url: str) -> None:
    admin("create-user", "ada", "--name", "Ada Lovelace", "--admin")
    token = admin("create-token", "ada", "--scope", "read_api", "--days", "1")

    async def look() -> tuple[str, bool, tuple[str, ...]]:
        connection = await asyncpg.connect(database_url)
        try:
            found = await find_by_token(connection, token)
            assert found is not None
            return found.user.name, found.user.is_admin, found.scopes
        finally:
            await connection.close()

    assert asyncio.run(look()) == ("Ada Lovelace", True, ("read_api",))


def test_a_group_lies_below_its_parent(admin: Run) -> None:
    admin("create-group", "parent")
    assert admin("create-group", "parent/child").startswith("group parent/child ")


def test_a_group_without_its_parent_is_refused(admin: Run) -> None:
    admin("create-group", "parent/child", code=2)


def test_a_members_new_role_replaces_the_old_one(admin: Run, database_url: str) -> None:
    admin("create-user", "ada")
    admin("create-group", "group")
    admin("add-member", "group", "ada")
    assert admin("add-member", "group", "ada", "--role", "reporter") == "ada is reporter of group"

    async def levels() -> list[int]:
        connection = await asyncpg.connect(database_url)
        try:
            return [row[0] for row in await connection.fetch("SELECT access_level FROM memberships")]
        finally:
            await connection.close()

    assert asyncio.run(levels()) == [AccessLevel.REPORTER]


@pytest.mark.parametrize("path", ["a b", "-a", "a--b", "a.git", "a.atom", ".", "ä", ""])
def test_a_path_that_gitlab_refuses_is_refused(path: str, admin: Run) -> None:
    admin("create-user", "--", path, code=2)


def test_a_name_is_taken_once(admin: Run) -> None:
    admin("create-user", "ada")
    admin("create-user", "ADA", code=2)


def test_a_personal_namespace_has_no_members(admin: Run) -> None:
    admin("create-user", "ada")
    admin("add-member", "ada", "ada", code=2)


def test_a_stranger_gets_no_token(admin: Run) -> None:
    admin("create-token", "nobody", code=2)


def test_users_are_listed(admin: Run) -> None:
    admin("create-user", "ada")
    assert admin("list-users").splitlines()[1:] == ["1  ada  ada  no"]


def test_what_is_made_is_a_document_with_json(admin: Run) -> None:
    user = json.loads(admin("create-user", "ada", "--json"))
    assert (user["username"], user["is_admin"]) == ("ada", False)
    token = json.loads(admin("create-token", "ada", "--days", "1", "--json"))
    assert (token["token"][:6], token["scopes"]) == ("glpat-", ["api"])
    assert json.loads(admin("create-group", "group", "--json"))["full_path"] == "group"
    member = json.loads(admin("add-member", "group", "ada", "--json"))
    assert member == {"group": "group", "username": "ada", "role": "maintainer"}
    assert json.loads(admin("list-users", "--json")) == {"users": [user]}


def test_what_is_refused_is_a_document_with_json(admin: Run) -> None:
    assert json.loads(admin("create-token", "nobody", "--json", code=2)) == {
        "error": "there is no user 'nobody'",
        "error_code": "usage",
    }
    admin("create-user", "ada")
    taken = json.loads(admin("create-user", "ada", "--json", code=2))
    assert taken["error_code"] == "username_taken"
