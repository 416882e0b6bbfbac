"""Makes users of ours members of a project, as they were members of the archive that it came from.

An archive is a stranger's word: nobody gets more than who imports it may give.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.accounts.models import AccessLevel
from shared.database.pool import Connection
from shared.people.archive_members import ArchiveMember
from shared.projects import access

_ADD = """WITH given AS (
        SELECT * FROM unnest($3::text[], $4::text[], $5::smallint[], $6::date[]) WITH ORDINALITY
            AS g(username, email, level, expires_at, number)
        WHERE g.expires_at IS NULL OR g.expires_at > (now() AT TIME ZONE 'UTC')::date),
    by_email AS (
        SELECT g.number, min(u.id) AS id FROM given g JOIN users u ON lower(u.email) = lower(g.email)
        WHERE g.email <> '' GROUP BY g.number HAVING count(*) = 1),
    by_name AS (
        SELECT g.number, u.id FROM given g JOIN users u ON lower(u.username) = lower(g.username)),
    found AS (
        SELECT DISTINCT ON (user_id) user_id, g.level, g.expires_at
        FROM (SELECT number, coalesce(e.id, n.id) AS user_id
              FROM by_email e FULL JOIN by_name n USING (number)) f JOIN given g USING (number)
        ORDER BY user_id, g.level DESC)
    INSERT INTO memberships (user_id, project_id, access_level, expires_at)
    SELECT u.id, $1, least(f.level, $7), f.expires_at FROM found f JOIN users u ON u.id = f.user_id
    WHERE u.id <> $2 AND NOT u.bot AND NOT u.is_admin
    ON CONFLICT DO NOTHING"""


async def add_imported_members(
    db: Connection, project_id: int, members: Sequence[ArchiveMember], *, user_id: int
) -> None:
    """Add those members who are users here, by public e-mail or else by user name, for the importing user.

    They get the level that they had, at most the user's own, and Maintainer at most unless the user is an
    administrator. Who is a member already stays what that is; bots and administrators are not added.
    """
    most = await _highest_level(db, project_id, user_id)
    if members and most:
        await db.execute(
            _ADD,
            project_id,
            user_id,
            [each.username for each in members],
            [each.public_email for each in members],
            [each.level for each in members],
            [each.expires_at for each in members],
            most,
        )


async def _highest_level(db: Connection, project_id: int, user_id: int) -> AccessLevel:
    is_admin = await db.fetchval("SELECT is_admin FROM users WHERE id = $1", user_id)
    if is_admin:
        return AccessLevel.OWNER
    level = await access.project_level(db, user_id, project_id)
    # Who may not change members may not bring any.
    return AccessLevel.NONE if level < AccessLevel.MAINTAINER else AccessLevel.MAINTAINER
