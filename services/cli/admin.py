"""Users, tokens, groups and members, written straight to the database."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from services.cli.errors import UsageError
from services.cli.terminal import result, say, table
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, Scope, User
from shared.accounts.namespaces import create_group, find_namespace_by_path
from shared.accounts.tokens import create_token
from shared.accounts.users import create_user, find_user, list_users
from shared.database.pool import Database

_PATH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_-])?")


def _check_path(path: str) -> str:
    """What GitLab takes as a path: no special characters at its ends or in a row, and no .git or .atom."""
    if not _PATH.fullmatch(path) or re.search(r"[_.-]{2}|\.(git|atom)$", path):
        raise UsageError(f"{path!r} is no path: letters, digits, and single - _ . between them")
    return path


async def add_user(
    db: Database, username: str, *, name: str | None, email: str | None, is_admin: bool
) -> None:
    """Create a user. Raises UsernameTaken."""
    user = await create_user(db, _check_path(username), name=name or username, email=email, is_admin=is_admin)
    result(f"user {user.username} (id {user.id})")


async def add_token(db: Database, username: str, *, name: str, scope: Scope, days: int | None) -> None:
    """Create a token and print it: it cannot be seen again."""
    user = await _user(db, username)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    token = await create_token(db, user.id, name=name, scopes=[scope], expires_at=expires_at)
    say("The token is shown this once:")
    result(token)


async def add_group(db: Database, full_path: str, *, name: str | None, owner: str | None) -> None:
    """Create a group below its parent, which must be there. Raises NamespacePathTaken."""
    above, _, path = full_path.strip("/").rpartition("/")
    parent = await _group(db, above) if above else None
    user = await _user(db, owner) if owner else None
    group = await create_group(db, _check_path(path), name=name or path, parent=parent)
    if user:
        await add_member(db, user.id, namespace_id=group.id, level=AccessLevel.OWNER)
    result(f"group {group.full_path} (id {group.id})")


async def add_group_member(db: Database, full_path: str, username: str, *, level: AccessLevel) -> None:
    """Give a user a level in a group."""
    group, user = await _group(db, full_path), await _user(db, username)
    await add_member(db, user.id, namespace_id=group.id, level=level)
    result(f"{user.username} is {level.name.lower()} of {group.full_path}")


async def print_users(db: Database) -> None:
    """List everybody."""
    users = await list_users(db)
    rows = [(user.id, user.username, user.name, "yes" if user.is_admin else "no") for user in users]
    table("Users", ("id", "username", "name", "administrator"), rows)


async def _user(db: Database, username: str) -> User:
    user = await find_user(db, username)
    if user is None:
        raise UsageError(f"there is no user {username!r}")
    return user


async def _group(db: Database, full_path: str) -> Namespace:
    group = await find_namespace_by_path(db, full_path.strip("/"))
    if group is None or group.kind is not NamespaceKind.GROUP:
        raise UsageError(f"there is no group {full_path!r}")
    return group
