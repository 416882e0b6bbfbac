"""Limits of what one user may have: tokens and groups."""

from __future__ import annotations

from shared.accounts.models import AccessLevel
from shared.database.pool import Connection
from shared.errors import Conflict

_ENDED = "(revoked_at IS NOT NULL OR expires_at <= now())"


class TooManyTokens(Conflict):
    """The user has as many valid tokens as one user may have: revoke some first."""

    code = "too_many_tokens"

    def __init__(self, limit: int) -> None:
        super().__init__(f"over the limit of {limit} tokens of one user")


class TooManyGroups(Conflict):
    """The user owns as many groups as one user may own: delete some first."""

    code = "too_many_groups"

    def __init__(self, limit: int) -> None:
        super().__init__(f"over the limit of {limit} groups of one owner")


async def refuse_more_tokens(db: Connection, user_id: int, *, limit: int) -> None:
    """Raise TooManyTokens if the user has ``limit`` valid tokens; remove all but as many of those that ended.

    Call it in the transaction that creates the token.
    """
    await _lock(db, user_id)
    valid = await db.fetchval(
        f"SELECT count(*) FROM tokens WHERE user_id = $1 AND NOT for_session AND {_ENDED} IS NOT TRUE",  # noqa: S608  # fixed texts
        user_id,
    )
    if valid >= limit:
        raise TooManyTokens(limit)
    await db.execute(
        f"""DELETE FROM tokens WHERE id IN (
                SELECT id FROM tokens WHERE user_id = $1 AND {_ENDED} ORDER BY id DESC OFFSET $2)""",  # noqa: S608  # fixed texts
        user_id, limit,
    )  # fmt: skip


async def refuse_more_groups(db: Connection, user_id: int, *, limit: int) -> None:
    """Raise TooManyGroups if the user owns ``limit`` groups. Call it in the transaction that creates one."""
    await _lock(db, user_id)
    owned = await db.fetchval(
        """SELECT count(*) FROM memberships
           WHERE user_id = $1 AND namespace_id IS NOT NULL AND access_level = $2""",
        user_id, AccessLevel.OWNER,
    )  # fmt: skip
    if owned >= limit:
        raise TooManyGroups(limit)


async def _lock(db: Connection, user_id: int) -> None:
    """Lock the user's row: two creations at once must not both be the last."""
    await db.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
