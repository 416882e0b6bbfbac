"""Maps who may do what: collaborators to members, protected branches, and people to members."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import partial

import msgspec
from msgspec import Raw

from shared.github.answers import UNREADABLE, BranchProtection, Collaborator, User
from shared.github.origin import Origin
from shared.github.statistics import ObjectType, Subject, Tally, Unmappable
from shared.gitlab.record_json import moment
from shared.gitlab.records import AccessLevelRecord, MemberRecord, MemberUserRecord, ProtectedBranchRecord

NO_ONE, GUEST, MAINTAINER = 0, 10, 40
"""GitLab's access levels, of which the first is for branches alone."""

_LEVELS = {"read": GUEST, "triage": 20, "write": 30, "maintain": MAINTAINER, "admin": 50}


def map_collaborators(
    page: Iterable[Raw], origin: Origin, tally: Tally, *, outside: Container[int] = ()
) -> Iterator[MemberRecord]:
    """Map a page of ``/collaborators?affiliation=direct``, less those whose ids are ``outside``.

    A role that an organisation made for itself is a failure of that one.
    """
    for raw in page:
        subject = Subject(ObjectType.COLLABORATOR, raw, {"id": "id", "login": "login"})
        if subject.identifiers.get("id") in outside:
            continue
        record = tally.attempt(subject, partial(_collaborator, raw, origin))
        if record is not None:
            yield record


def _collaborator(raw: Raw, origin: Origin) -> MemberRecord:
    collaborator = msgspec.json.decode(raw, type=Collaborator)
    level = _LEVELS.get(collaborator.role_name)
    if level is None:
        raise Unmappable(f"Access level has no equivalent of the role {collaborator.role_name!r}")
    return map_member(collaborator.user, origin, access_level=level)


def map_member(user: User, origin: Origin, *, access_level: int = GUEST) -> MemberRecord:
    """Map an account to a member, by whom a GitLab finds the person for the records that name the account."""
    person, now = origin.people.find(user), moment(origin.now)
    return MemberRecord(
        access_level=access_level,
        user_id=user.id,
        created_at=now,
        updated_at=now,
        user=MemberUserRecord(
            id=user.id,
            public_email=person.public_email if person else user.email,
            username=person.username if person else user.login,
        ),
    )


def map_protected_branch(
    name: str, protection: Raw, origin: Origin, tally: Tally, *, is_open_to_force: bool
) -> ProtectedBranchRecord | None:
    """Map the answer of ``/branches/:branch/protection``; None where it cannot be.

    ``is_open_to_force`` is false for a default branch that the namespace protects.
    """
    subject = Subject(ObjectType.PROTECTED_BRANCH, protection, {}, {"id": name})
    return tally.attempt(subject, partial(_protected_branch, name, protection, origin, is_open_to_force))


def _protected_branch(
    name: str,
    raw: Raw,
    origin: Origin,
    is_open_to_force: bool,  # noqa: FBT001  # by partial alone
) -> ProtectedBranchRecord:
    protection = msgspec.json.decode(raw, type=BranchProtection)
    reviews, forced = protection.required_pull_request_reviews, protection.allow_force_pushes
    now = moment(origin.now)
    return ProtectedBranchRecord(
        project_id=origin.repository_id,
        name=name,
        created_at=now,
        updated_at=now,
        code_owner_approval_required=reviews is not None and reviews.require_code_owner_reviews,
        allow_force_push=is_open_to_force and forced is not None and forced.enabled,
        merge_access_levels=[_role(MAINTAINER, now)],
        push_access_levels=[_role(MAINTAINER if reviews is None else NO_ONE, now)],
    )


def _role(level: int, now: str) -> AccessLevelRecord:
    return AccessLevelRecord(access_level=level, created_at=now, updated_at=now)


def must_resolve_discussions(protection: Raw) -> bool:
    """Tell whether a branch wants all conversations resolved; of the default branch that is the project's."""
    try:
        required = msgspec.json.decode(protection, type=BranchProtection).required_conversation_resolution
    except UNREADABLE:
        return False
    return required is not None and required.enabled
