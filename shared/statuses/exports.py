"""The status of a user's export: what is on its way, what there is to download, and how the newest ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.accounts.models import User
from shared.database.pool import Database
from shared.jobs.models import JobState
from shared.projects import store
from shared.projects.store import ReachedProject
from shared.settings.application import ApplicationSettings
from shared.settings.store import CHANGED, settings_of

_MORE = (
    f"{CHANGED} AS settings",
    # To GitLab's API an export has not ended before its upload has.
    """(SELECT array_agg(state) FROM jobs WHERE project_id = p.id AND kind IN ('export', 'upload')
        AND user_id = $1 AND finished_at IS NULL) AS underway""",
    """(SELECT state FROM jobs WHERE project_id = p.id AND kind = 'export' AND user_id = $1
        AND former_project_id IS NULL ORDER BY id DESC LIMIT 1) AS newest""",
    """EXISTS (SELECT FROM archives WHERE project_id = p.id AND user_id = $1 AND expires_at > now())
        AS has_archive""",
)


@dataclass(frozen=True, slots=True)
class FoundExport:
    """A project, the current settings, and the states of the user's jobs: all under way, and the newest."""

    reached: ReachedProject
    settings: ApplicationSettings
    underway: Sequence[JobState]
    newest: JobState | None
    has_archive: bool


async def find_export(
    db: Database, user: User | None, reference: str, *, defaults: ApplicationSettings
) -> FoundExport | None:
    """Find a project by its id or full path, as ``user`` reaches it, with the user's exports of it."""
    reached = await store.find_reached(db, user, reference, *_MORE)
    if reached is None:
        return None
    row = reached.row
    return FoundExport(
        reached,
        settings_of(row["settings"], defaults),
        [JobState(state) for state in row["underway"] or ()],
        JobState(row["newest"]) if row["newest"] else None,
        row["has_archive"],
    )
