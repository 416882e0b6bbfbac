"""GitLab's limit on the size of a project that is exported."""

from __future__ import annotations

from services.api.http.errors import Refused
from shared.accounts.models import User
from shared.database.pool import Database
from shared.exports import archives
from shared.projects.models import Project
from shared.projects.size import project_size
from shared.settings.environment import MIB


async def refuse_size(db: Database, caller: User, project: Project, *, limit: int) -> None:
    """Raise 400 for a project of more than ``limit`` MiB (0 = any), which costs the earlier archive."""
    if limit and await project_size(db, project.id) > limit * MIB:
        await archives.remove(db, project_id=project.id, user_id=caller.id)
        raise Refused(400, "The project size exceeds the export limit.")
