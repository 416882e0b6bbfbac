"""Memberships: a user's level in a namespace or a project."""

from __future__ import annotations

from shared.accounts.models import AccessLevel
from shared.database.pool import Database


async def add_member(db: Database, user_id: int, *, namespace_id: int, level: AccessLevel) -> None:
    """Give a user a level in a namespace and everything below it. May be repeated: the last level counts."""
    await db.execute(
        """INSERT INTO memberships (user_id, namespace_id, access_level) VALUES ($1, $2, $3)
           ON CONFLICT (user_id, namespace_id) DO UPDATE SET access_level = excluded.access_level""",
        user_id, namespace_id, level,
    )  # fmt: skip


async def add_project_member(db: Database, user_id: int, *, project_id: int, level: AccessLevel) -> None:
    """Give a user a level in one project. May be repeated: the last level counts."""
    await db.execute(
        """INSERT INTO memberships (user_id, project_id, access_level) VALUES ($1, $2, $3)
           ON CONFLICT (user_id, project_id) DO UPDATE SET access_level = excluded.access_level""",
        user_id, project_id, level,
    )  # fmt: skip
