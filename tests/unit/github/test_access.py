from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from shared.github.access import (
    map_collaborators,
    map_member,
    map_protected_branch,
    must_resolve_discussions,
)
from shared.github.answers import User
from shared.github.statistics import Tally
from tests.support.github_answers import NOW, ORIGIN, built, raw


def collaborator(number: int = 1, login: str = "ann", role: str = "write") -> Raw:
    return raw({"id": number, "login": login, "role_name": role, "permissions": {"push": True}})


def branch(*, is_open: bool = True, **protection: object) -> Any:
    return built(map_protected_branch("main", raw(protection), ORIGIN, Tally(), is_open_to_force=is_open))


@pytest.mark.parametrize(
    ("role", "level"), [("read", 10), ("triage", 20), ("write", 30), ("maintain", 40), ("admin", 50)]
)
def test_a_role_is_an_access_level(role: str, level: int) -> None:
    [member] = map_collaborators([collaborator(role=role)], ORIGIN, Tally())
    assert member.access_level == level


def test_a_role_of_an_organisation_is_a_failure_of_that_one() -> None:
    tally = Tally()
    page = [collaborator(1, role="release-manager"), collaborator(2, "bob")]
    assert [each.user_id for each in map_collaborators(page, ORIGIN, tally)] == [2]
    [failure] = tally.failures
    assert "release-manager" in failure.message
    assert failure.external_identifiers == {"id": 1, "login": "ann"}
    assert tally.stats == {"fetched": {"collaborator": 2}, "imported": {"collaborator": 1}}


def test_who_is_outside_of_the_organisation_is_no_member_and_is_not_counted() -> None:
    tally = Tally()
    assert list(map_collaborators([collaborator(2, "bob")], ORIGIN, tally, outside={2})) == []
    assert tally.stats["fetched"] == {}


def test_a_member_is_the_person_whom_the_account_is_mapped_to() -> None:
    [member] = map_collaborators([collaborator(1)], ORIGIN, Tally())
    assert built(member.user) == {"id": 1, "public_email": "ann@example.com", "username": "ann.here"}
    assert (member.user_id, member.created_at, member.source_type) == (1, NOW, "Project")


def test_an_account_of_nobody_is_a_guest_by_its_own_name_and_address() -> None:
    member = map_member(User(2, "bob", email="bob@example.com"), ORIGIN)
    assert built(member.user) == {"id": 2, "public_email": "bob@example.com", "username": "bob"}
    assert member.access_level == 10


def levels(told: Any) -> tuple[int, int]:
    [push], [merge] = told["push_access_levels"], told["merge_access_levels"]
    return push["access_level"], merge["access_level"]


def test_maintainers_push_where_no_review_is_required_and_nobody_where_one_is() -> None:
    assert levels(branch()) == (40, 40)
    told = branch(required_pull_request_reviews={"require_code_owner_reviews": True})
    assert levels(told) == (0, 40)
    assert told["code_owner_approval_required"]


def test_force_is_allowed_where_github_and_the_namespace_allow_it() -> None:
    on, off = {"enabled": True}, {"enabled": False}
    assert branch(allow_force_pushes=on)["allow_force_push"]
    assert not branch(allow_force_pushes=on, is_open=False)["allow_force_push"]
    assert not branch(allow_force_pushes=off)["allow_force_push"]
    assert not branch()["allow_force_push"]


def test_a_protection_that_cannot_be_read_is_a_failure_by_the_name_of_the_branch() -> None:
    tally = Tally()
    assert map_protected_branch("main", raw([]), ORIGIN, tally, is_open_to_force=True) is None
    assert tally.failures[0].external_identifiers == {"id": "main"}


def test_conversations_must_be_resolved_where_the_branch_wants_it() -> None:
    assert must_resolve_discussions(raw({"required_conversation_resolution": {"enabled": True}}))
    assert not must_resolve_discussions(raw({}))
    assert not must_resolve_discussions(raw([]))
