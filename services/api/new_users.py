"""What an administrator gives to make a user or a token, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from services.api.http.errors import Refused
from services.api.http.parameters import Checker
from shared.accounts.models import Scope
from shared.projects.rules import NameRefused, check_path

_LARGEST_LIMIT = 2**31 - 1
_PASSWORDS = ("password", "reset_password", "force_random_password")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRequest:
    """A user to be made."""

    username: str
    name: str
    email: str
    is_admin: bool
    bot: bool
    projects_limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A token to be made."""

    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


def read_user(given: Mapping[str, object]) -> UserRequest:
    """Read it; ``bot`` is ours, as GitLab makes bots of access tokens. Raises 400 in both of its dialects."""
    checker = Checker(given)
    for name in ("email", "name", "username"):
        checker.require(name)
    if not any(given.get(name) for name in _PASSWORDS):
        checker.problems.append(
            f"{', '.join(_PASSWORDS)} are missing, at least one parameter must be provided"
        )
    username, name, email = (checker.text(name) or "" for name in ("username", "name", "email"))
    is_admin, bot = checker.boolean("admin") or False, checker.boolean("bot") or False
    projects_limit = checker.integer("projects_limit")
    checker.finish()
    return UserRequest(
        username=_username(username), name=_not_blank(name), email=email, is_admin=is_admin, bot=bot,
        projects_limit=_limit(projects_limit),
    )  # fmt: skip


def _limit(projects: int | None) -> int | None:
    if projects is not None and not 0 <= projects <= _LARGEST_LIMIT:
        raise Refused(400, {"projects_limit": [f"must be between 0 and {_LARGEST_LIMIT}"]})
    return projects


def _username(username: str) -> str:
    try:
        return check_path(username)
    except NameRefused as error:
        raise Refused(400, {"username": [str(error)]}) from None


def _not_blank(name: str) -> str:
    if not name.strip():
        raise Refused(400, {"name": ["can't be blank"]})
    return name


def read_token(given: Mapping[str, object]) -> TokenRequest:
    """Read it; a day as GitLab writes it, ``2027-01-31``, at whose beginning the token ends. Raises 400."""
    checker = Checker(given)
    checker.require("name")
    checker.require("scopes")
    name = checker.text("name") or ""
    scopes = _scopes(checker, given.get("scopes"))
    day = checker.day("expires_at")
    checker.finish()
    expires_at = datetime.combine(day, time(), tzinfo=UTC) if day else None
    return TokenRequest(name=_not_blank(name), scopes=scopes, expires_at=expires_at)


def _scopes(checker: Checker, given: object) -> tuple[Scope, ...]:
    names = given.split(",") if isinstance(given, str) else given
    known = {scope.value: scope for scope in Scope}
    if names is not None and (not isinstance(names, list) or not set(map(str, names)) <= known.keys()):
        checker.problem("scopes", "does not have a valid value")
        return ()
    return tuple(known[str(name)] for name in names or ())
