"""What depends on several things at once; each by itself is in tests/service/api/test_who_reads_what.py."""

from __future__ import annotations

import pytest

from shared.accounts.models import AccessLevel
from shared.gitlab.features import FeatureLevel, ProjectFeatures
from shared.gitlab.visibility import Visibility
from shared.usecases.policy import Kind, Policy

OFF, MEMBERS = FeatureLevel.DISABLED, FeatureLevel.PRIVATE
NONE, GUEST = AccessLevel.NONE, AccessLevel.GUEST


def policy(
    visibility: Visibility = Visibility.PUBLIC,
    level: AccessLevel = NONE,
    *,
    signed_in: bool = True,
    **features: FeatureLevel,
) -> Policy:
    return Policy(
        features=ProjectFeatures(**features), visibility=visibility, level=level, signed_in=signed_in
    )


def listed(who: Policy) -> set[Kind]:
    return {kind for kind in Kind if who.may_list(kind)}


ALL = set(Kind)


@pytest.mark.parametrize(
    ("who", "hidden"),
    [
        (policy(), set()),
        (policy(issues=OFF), {Kind.ISSUES}),
        (policy(merge_requests=OFF), {Kind.MERGE_REQUESTS}),
        (policy(repository=OFF), {Kind.CODE, Kind.MERGE_REQUESTS}),
        (policy(issues=OFF, merge_requests=OFF),
         {Kind.ISSUES, Kind.MERGE_REQUESTS, Kind.LABELS, Kind.MILESTONES}),
        (policy(issues=MEMBERS, repository=MEMBERS),
         {Kind.ISSUES, Kind.MERGE_REQUESTS, Kind.LABELS, Kind.MILESTONES, Kind.CODE}),
        (policy(releases=OFF), {Kind.RELEASES}),
        (policy(snippets=MEMBERS), {Kind.SNIPPETS}),
        (policy(level=GUEST, repository=MEMBERS), {Kind.CODE, Kind.MERGE_REQUESTS}),
        (policy(level=GUEST, merge_requests=MEMBERS), {Kind.MERGE_REQUESTS}),
        (policy(level=GUEST, issues=MEMBERS), set()),
        (policy(Visibility.PRIVATE, GUEST), {Kind.CODE, Kind.MERGE_REQUESTS}),
        (policy(Visibility.PRIVATE, GUEST, issues=OFF),
         {Kind.CODE, Kind.MERGE_REQUESTS, Kind.ISSUES, Kind.LABELS, Kind.MILESTONES}),
        (policy(Visibility.PRIVATE), ALL),
        (policy(Visibility.INTERNAL, signed_in=False), ALL),
        (policy(level=AccessLevel.OWNER, issues=OFF), {Kind.ISSUES}),
    ],
)  # fmt: skip
def test_what_is_hidden_follows_from_features_visibility_and_role(who: Policy, hidden: set[Kind]) -> None:
    assert ALL - listed(who) == hidden


def test_a_release_is_found_by_its_tag_only_by_who_reads_the_code() -> None:
    guest = policy(Visibility.PRIVATE, GUEST)
    assert guest.may_list(Kind.RELEASES)
    assert not guest.may_find(Kind.RELEASES)
    assert policy(Visibility.PRIVATE, AccessLevel.PLANNER).may_find(Kind.RELEASES)


def test_planners_see_confidential_issues_and_guests_do_not() -> None:
    line = b'{"confidential":true}'
    guest, planner = (policy(level=level).shown(Kind.ISSUES) for level in (GUEST, AccessLevel.PLANNER))
    assert guest is not None
    assert not guest(line)
    assert planner is None


def test_equal_readers_share_the_conditions_on_records() -> None:
    for kind in (Kind.ISSUES, Kind.SNIPPETS):
        first, second = policy().shown(kind), policy(releases=OFF).shown(kind)
        assert (first, hash(first)) == (second, hash(second))
