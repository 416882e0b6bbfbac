"""Members of an archive become members here where that is asked for, with what who asks may give."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.people import archive_members
from shared.records import members as reading
from tests.support.projects import Dock, ndjson
from tests.support.projects import project as packed_project

TODAY = datetime.now(UTC).date()
GROUP = 2


def member(
    username: str | None = None, email: str | None = None, level: object = 30, **more: object
) -> bytes:
    user = {"id": 7, "username": username, "public_email": email}
    return json.dumps({"access_level": level, "user": user} | more).encode()


async def users(dock: Dock, *names: str, **more: Any) -> None:
    for name in names:
        await dock.pool.execute(
            "INSERT INTO users (username, name, email, is_admin, bot) VALUES ($1, $1, $2, $3, $4)",
            name, more.get("email", f"{name}@example.com"), more.get("is_admin", False),
            more.get("bot", False),
        )  # fmt: skip


async def imported(dock: Dock, *lines: bytes, asked: bool = True, **order: Any) -> dict[str, int]:
    """Import, and give the members by name."""
    done = await dock.run_import(
        packed_project(project_members=ndjson(*lines)), import_members=asked, **order
    )
    assert done.error is None
    rows = await dock.pool.fetch(
        """SELECT username, access_level FROM memberships m JOIN users u ON u.id = m.user_id
           WHERE project_id = 1"""
    )
    return {row["username"]: row["access_level"] for row in rows}


async def test_nobody_becomes_a_member_unless_that_is_asked_for(dock: Dock) -> None:
    await users(dock, "jane")
    assert await imported(dock, member("jane"), asked=False) == {}


async def test_users_become_members_by_public_e_mail_or_else_by_user_name(dock: Dock) -> None:
    await users(dock, "jane", "jo", "sam", "other")
    assert await imported(
        dock, member("JANE"), member("nobody", "JO@example.com"), member("other", "sam@example.com"),
        member("none", "none@example.com"), member(None, None),
    ) == {"jane": 30, "jo": 30, "sam": 30}  # fmt: skip


async def test_an_address_that_two_users_have_is_nobodys(dock: Dock) -> None:
    await users(dock, "jane", "jo", email="same@example.com")
    assert await imported(dock, member(None, "same@example.com")) == {}


@pytest.mark.parametrize(("level", "got"), [(50, 40), (40, 40), (35, 30), (15, 15), (10, 10)])
async def test_a_level_is_at_most_maintainer(dock: Dock, level: int, got: int) -> None:
    await users(dock, "jane")
    assert await imported(dock, member("jane", level=level)) == {"jane": got}


async def test_an_administrator_may_bring_owners(dock: Dock) -> None:
    await users(dock, "jane")
    await dock.pool.execute("UPDATE users SET is_admin = true WHERE id = 1")
    assert await imported(dock, member("jane", level=50)) == {"jane": 50}


async def test_who_may_not_change_members_brings_none(dock: Dock) -> None:
    await users(dock, "jane", "dev")
    await dock.pool.execute("INSERT INTO memberships (user_id, project_id, access_level) VALUES (3, 1, 30)")
    assert await imported(dock, member("jane"), user_id=3) == {"dev": 30}


async def test_administrators_bots_and_the_importing_user_are_not_added(dock: Dock) -> None:
    await users(dock, "root", is_admin=True)
    await users(dock, "robot", bot=True)
    assert await imported(dock, member("root"), member("robot"), member("ann", level=10)) == {}


async def test_a_member_stays_what_that_is(dock: Dock) -> None:
    await users(dock, "jane")
    await dock.pool.execute("INSERT INTO memberships (user_id, project_id, access_level) VALUES (2, 1, 20)")
    assert await imported(dock, member("jane", level=40)) == {"jane": 20}


async def test_of_several_lines_the_highest_level_counts(dock: Dock) -> None:
    await users(dock, "jane")
    assert await imported(
        dock, member("jane", level=10), member("jane", level=30), member("jane", level=20)
    ) == {"jane": 30}


async def test_a_membership_that_has_ended_is_none_and_others_end_when_they_ended_there(dock: Dock) -> None:
    await users(dock, "jane", "jo")
    later = TODAY + timedelta(days=7)
    found = await imported(
        dock, member("jane", expires_at=str(TODAY)), member("jo", expires_at=f"{later}T00:00:00.000Z")
    )
    assert found == {"jo": 30}
    assert await dock.pool.fetchval("SELECT expires_at FROM memberships") == later


@pytest.mark.parametrize(
    "line",
    [
        member("jane", requested_at="2026-01-01"),
        member("jane", level=5),
        member("jane", level="40"),
        member("jane", level=None),
        member("jane" + "x" * 300),
        member("jane\0"),
        member("jane", expires_at="never"),
        b'{"access_level":30,"invite_email":"jane@example.com","user":null}',
        b'{"access_level":30,"user":["jane"]}',
    ],
)
async def test_what_is_no_member_adds_nobody(dock: Dock, line: bytes) -> None:
    await users(dock, "jane")
    assert await imported(dock, line) == {}


async def test_so_many_members_are_looked_at(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    await users(dock, "jane", "jo")
    monkeypatch.setattr(reading, "MOST", 1)
    assert await imported(dock, member("jane"), member("jo")) == {"jane": 30}


def test_the_levels_are_those_of_memberships() -> None:
    assert archive_members.LEVELS == (50, 40, 30, 20, 15, 10)
