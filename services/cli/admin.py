"""Users, tokens, groups, members and sealed secrets, written straight to the database."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from services.cli import admin_results as results
from services.cli.errors import UsageError
from services.process.maintenance import make_resealer
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, Scope, User
from shared.accounts.namespaces import create_group, find_namespace_by_path
from shared.accounts.tokens import create_token
from shared.accounts.users import create_user, find_user, list_users
from shared.database.pool import Database, Pool
from shared.sealing.canary import check_keys
from shared.sealing.sealer import Sealer

_PATH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_-])?")


def _check_path(path: str) -> str:
    """Check a path by GitLab's rules: no special characters at its ends or in a row, no .git or .atom."""
    if not _PATH.fullmatch(path) or re.search(r"[_.-]{2}|\.(git|atom)$", path):
        raise UsageError(f"{path!r} is no path: letters, digits, and single - _ . between them")
    return path


async def add_user(
    db: Database, username: str, *, name: str | None, email: str | None, is_admin: bool
) -> results.UserResult:
    """Create a user. Raises UsernameTaken."""
    user = await create_user(db, _check_path(username), name=name or username, email=email, is_admin=is_admin)
    return _shown(user)


async def add_token(
    db: Database, username: str, *, name: str, scope: Scope, days: int | None
) -> results.TokenResult:
    """Create a token and return it. It cannot be read again later."""
    user = await _user(db, username)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    token = await create_token(db, user.id, name=name, scopes=[scope], expires_at=expires_at)
    return results.TokenResult(
        token=token, username=user.username, name=name, scopes=[scope.value], expires_at=expires_at
    )


async def add_group(
    db: Database, full_path: str, *, name: str | None, owner: str | None
) -> results.GroupResult:
    """Create a group in its parent, which must exist. Raises NamespacePathTaken."""
    above, _, path = full_path.strip("/").rpartition("/")
    parent = await _group(db, above) if above else None
    user = await _user(db, owner) if owner else None
    group = await create_group(db, _check_path(path), name=name or path, parent=parent)
    if user:
        await add_member(db, user.id, namespace_id=group.id, level=AccessLevel.OWNER)
    return results.GroupResult(id=group.id, full_path=group.full_path, name=group.name)


async def add_group_member(
    db: Database, full_path: str, username: str, *, level: AccessLevel
) -> results.MemberResult:
    """Add a user to a group with an access level, or change the level of a member."""
    group, user = await _group(db, full_path), await _user(db, username)
    await add_member(db, user.id, namespace_id=group.id, level=level)
    return results.MemberResult(group=group.full_path, username=user.username, role=level.name.lower())


async def all_users(db: Database) -> results.UserList:
    """List all users."""
    return results.UserList([_shown(user) for user in await list_users(db)])


async def rotate_secrets(db: Pool, sealer: Sealer) -> results.RotationResult:
    """Seal all secrets with the first key. Raises SecretsKeyWrong."""
    await check_keys(db, sealer)
    done = await make_resealer(db, sealer).rotate()
    return results.RotationResult(
        renewed=done.renewed, unreadable=done.unreadable, unused_keys=done.unused_keys
    )


def _shown(user: User) -> results.UserResult:
    return results.UserResult(id=user.id, username=user.username, name=user.name, is_admin=user.is_admin)


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
