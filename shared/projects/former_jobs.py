"""The ended jobs of a project that goes, while another one stands at its path: lists show them with that one.

They decide nothing about it: what asks for the newest job of a project leaves out those with a
``former_project_id``.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.database.pool import Connection

_MOVED = "UPDATE jobs j SET project_id = %s, former_project_id = coalesce(j.former_project_id, j.project_id)"
_TO_SUCCESSOR = f"{_MOVED % '$2'} WHERE j.project_id = $1 AND j.finished_at IS NOT NULL"
# The project of an overwrite has the path of its target, and behind it a hyphen and 32 digits.
_TO_TARGETS = f"""{_MOVED % "target.id"} FROM projects p JOIN projects target
    ON target.namespace_id = p.namespace_id AND lower(target.path) = lower(left(p.path, -33))
    WHERE p.id = ANY($1) AND j.project_id = p.id AND j.finished_at IS NOT NULL"""


async def leave_jobs(db: Connection, project_id: int, *, to: int) -> None:
    """Give the ended jobs of a project to the one that takes its place; the transaction deletes it."""
    await db.execute(_TO_SUCCESSOR, project_id, to)


async def return_jobs(db: Connection, project_ids: Sequence[int]) -> None:
    """Give the ended jobs of overwrites that did not take place to their targets, where these are there.

    ``project_ids`` are the projects made for the overwrites, which the transaction deletes.
    """
    await db.execute(_TO_TARGETS, project_ids)
