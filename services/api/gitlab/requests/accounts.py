"""Parses requests about users, tokens and members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from services.api.http.pagination import Page
from services.api.http.parameters import ParameterReader
from shared.accounts.members import MemberQuery
from shared.accounts.models import AccessLevel, Scope, User
from shared.accounts.users import UserChange, UserQuery
from shared.openid.id_token import LONGEST_SUBJECT
from shared.projects.rules import NameRefused, check_path
from shared.usecases.errors import FieldsInvalid, NotFound
from shared.usecases.members import MemberChange, NewMember
from shared.usecases.tokens import TokenRequest
from shared.usecases.users import UserRequest

_LARGEST_LIMIT = 2**31 - 1
_CHANGEABLE = ("name", "email", "admin", "projects_limit", "extern_uid", "provider")
_PASSWORDS = ("password", "reset_password", "force_random_password")

PROVIDER = "openid_connect"
"""What GitLab calls the provider of OpenID Connect."""


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """The filter of a list of tokens."""

    user_id: int | None
    active: bool | None


def read_user(given: Mapping[str, object]) -> UserRequest:
    """Read a user to create. The parameter ``bot`` is ours: GitLab creates bots only with access tokens.

    Raises ParametersInvalid and FieldsInvalid.
    """
    reader = ParameterReader(given)
    for name in ("email", "name", "username"):
        reader.require(name)
    if not any(given.get(name) for name in _PASSWORDS):
        reader.problems.append(
            f"{', '.join(_PASSWORDS)} are missing, at least one parameter must be provided"
        )
    username, name, email = (reader.text(name) or "" for name in ("username", "name", "email"))
    is_admin, bot = reader.boolean("admin") or False, reader.boolean("bot") or False
    projects_limit, subject = reader.integer("projects_limit"), _subject(reader)
    reader.finish()
    return UserRequest(
        username=_username(username), name=_not_blank(name), email=email, is_admin=is_admin, bot=bot,
        projects_limit=_limit(projects_limit), subject=subject,
    )  # fmt: skip


def read_user_change(given: Mapping[str, object]) -> tuple[UserChange, str | None]:
    """Read what to change of a user, and who it is at the provider, if that changes.

    Raises ParametersInvalid and FieldsInvalid.
    """
    reader = ParameterReader(given)
    if not any(given.get(name) is not None for name in _CHANGEABLE):
        reader.problems.append(
            f"{', '.join(_CHANGEABLE)} are missing, at least one parameter must be provided"
        )
    name, email, is_admin = reader.text("name"), reader.text("email"), reader.boolean("admin")
    projects_limit, subject = reader.integer("projects_limit"), _subject(reader)
    reader.finish()
    change = UserChange(
        name=None if name is None else _not_blank(name), email=email, is_admin=is_admin,
        projects_limit=_limit(projects_limit),
    )  # fmt: skip
    return change, subject


def read_provider(name: str) -> None:
    """Raise NotFound for the name of a provider that nobody signs in by."""
    if name != PROVIDER:
        raise NotFound("Identity")


def _subject(reader: ParameterReader) -> str | None:
    """Read who a user is at the provider (OpenID Connect Core 1.0, 2: in 255 characters at most)."""
    provider, subject = reader.choice("provider", (PROVIDER,)), reader.text("extern_uid")
    for name, value, other in (("extern_uid", subject, provider), ("provider", provider, subject)):
        if other and not value:
            reader.problem(name, "is missing")
    if subject and len(subject) > LONGEST_SUBJECT:
        reader.problem("extern_uid", f"has over {LONGEST_SUBJECT} characters")
    return subject or None


def read_user_query(given: Mapping[str, object], page: Page) -> UserQuery:
    """Read the filter of a list of users. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    username, search = reader.text("username"), reader.text("search")
    only_blocked, only_active = reader.boolean("blocked"), reader.boolean("active")
    reader.finish()
    blocked = only_blocked or (False if only_active else None)
    return UserQuery(username=username, search=search, blocked=blocked, limit=page.size, offset=page.offset)


def _limit(projects: int | None) -> int | None:
    if projects is not None and not 0 <= projects <= _LARGEST_LIMIT:
        raise FieldsInvalid({"projects_limit": [f"must be between 0 and {_LARGEST_LIMIT}"]})
    return projects


def _username(username: str) -> str:
    try:
        return check_path(username)
    except NameRefused as error:
        raise FieldsInvalid({"username": [str(error)]}, cause=error) from None


def _not_blank(name: str) -> str:
    if not name.strip():
        raise FieldsInvalid({"name": ["can't be blank"]})
    return name


def read_token(given: Mapping[str, object]) -> TokenRequest:
    """Read a token to create. It expires at the begin of the day ``expires_at``, in UTC.

    Raises ParametersInvalid and FieldsInvalid.
    """
    reader = ParameterReader(given)
    reader.require("name")
    reader.require("scopes")
    name = reader.text("name") or ""
    scopes = _scopes(reader, given.get("scopes"))
    day = reader.day("expires_at")
    reader.finish()
    expires_at = datetime.combine(day, time(), tzinfo=UTC) if day else None
    return TokenRequest(name=_not_blank(name), scopes=scopes, expires_at=expires_at)


def _scopes(reader: ParameterReader, given: object) -> tuple[Scope, ...]:
    names = given.split(",") if isinstance(given, str) else given
    known = {scope.value: scope for scope in Scope}
    if names is not None and (not isinstance(names, list) or not set(map(str, names)) <= known.keys()):
        reader.problem("scopes", "does not have a valid value")
        return ()
    return tuple(known[str(name)] for name in names or ())


def read_token_filter(given: Mapping[str, object], caller: User) -> TokenFilter:
    """Read the filter of a list of tokens: by default the caller's own. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    user_id = reader.integer("user_id", default=None if caller.is_admin else caller.id)
    state = reader.choice("state", ("active", "inactive"))
    reader.finish()
    return TokenFilter(user_id, None if state is None else state == "active")


def read_new_member(given: Mapping[str, object]) -> NewMember:
    """Read a member to add. Raises ParametersInvalid and FieldsInvalid."""
    reader = ParameterReader(given)
    if not given.get("user_id") and not given.get("username"):
        reader.problems.append("user_id, username are missing, exactly one parameter must be provided")
    reader.exclusive("user_id", "username")
    user_id, username = reader.integer("user_id"), reader.text("username")
    change = _member(reader, given)
    return NewMember(user_id=user_id, username=username, level=change.level, expires_at=change.expires_at)


def read_member_change(given: Mapping[str, object]) -> MemberChange:
    """Read the change of a membership. Raises ParametersInvalid and FieldsInvalid."""
    return _member(ParameterReader(given), given)


def _member(reader: ParameterReader, given: Mapping[str, object]) -> MemberChange:
    reader.require("access_level")
    level, day = reader.integer("access_level"), reader.day("expires_at")
    reader.finish()
    if level not in set(AccessLevel) - {AccessLevel.NONE}:
        raise FieldsInvalid({"access_level": ["is not included in the list"]})
    if day is not None and day <= datetime.now(UTC).date():
        raise FieldsInvalid({"expires_at": ["cannot be a date in the past"]})
    return MemberChange(level=AccessLevel(level), expires_at=day, keeps_day="expires_at" not in given)


def read_member_query(given: Mapping[str, object], page: Page, *, inherited: bool) -> MemberQuery:
    """Read the filter of a list of members. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    search = reader.text("query")
    reader.finish()
    return MemberQuery(inherited=inherited, search=search, limit=page.size, offset=page.offset)


def read_id(given: Mapping[str, object], name: str) -> int:
    """Read an id from the address. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    number = reader.integer(name)
    reader.finish()
    return number or 0
