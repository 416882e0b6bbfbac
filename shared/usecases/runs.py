"""Runs of schedules: asked for by users, and done with the rights of the schedule's owner."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from shared.accounts.models import AccessLevel, User
from shared.accounts.users import find_user_by_id
from shared.database.pool import Pool
from shared.database.transactions import current, transaction
from shared.errors import CrossdockError, Denied, Missing
from shared.projects import store as projects
from shared.projects.models import Project
from shared.projects.size import project_size
from shared.schedules import runs
from shared.schedules.models import ProjectState, Run, RunProject, Schedule, Selection
from shared.settings.environment import MIB
from shared.usecases.access import find_visible_group, find_visible_project, require_user
from shared.usecases.errors import ExportsDisabled, NotFound, ProjectTooLarge, RunTooLarge
from shared.usecases.schedules import Schedules
from shared.usecases.settings import InstanceSettings

MOST_PROJECTS = 10_000
"""How many projects one run has at most."""

_AT_ONCE = 1000


class Runs:
    """Shows, starts and cancels the runs of schedules that a user sees."""

    def __init__(self, pool: Pool, schedules: Schedules) -> None:
        self._pool = pool
        self._schedules = schedules

    async def start(self, schedule: Schedule) -> Run:
        """Start a run now, also of a schedule that is paused. Raises RunUnderway."""
        async with transaction(self._pool) as db:
            return await runs.request(db, schedule.id)

    async def list(self, schedule: Schedule, *, below: int | None, limit: int) -> Sequence[Run]:
        """List the runs of a schedule with an id lower than ``below``, the newest first."""
        return await runs.list_of(self._pool, schedule.id, below=below, limit=limit)

    async def show(self, actor: User | None, run_id: int) -> Run:
        """Return a run. Raises NotFound where its schedule is not the actor's, who is no administrator."""
        user = require_user(actor)
        found = await runs.find(current(self._pool), run_id)
        if found is None:
            raise NotFound("Run")
        try:
            await self._schedules.show(user, found.schedule_id)
        except NotFound:
            raise NotFound("Run") from None
        return found

    async def list_projects(
        self, run: Run, *, state: ProjectState | None, behind: int | None, limit: int
    ) -> Sequence[RunProject]:
        """List the projects of a run with an id over ``behind``."""
        return await runs.list_projects(self._pool, run.id, state=state, behind=behind, limit=limit)

    async def cancel(self, actor: User, run: Run) -> Run:
        """Cancel a run and its jobs, unless it has ended. Raises NotFound."""
        async with transaction(self._pool) as db:
            await runs.cancel(db, run.id, by=actor.id)
            canceled = await runs.find(db, run.id)
        if canceled is None:
            raise NotFound("Run")
        return canceled


class OwnerGone(Missing):
    """The owner of the schedule was deleted."""

    code = "owner_gone"


class OwnerBlocked(Denied):
    """The owner of the schedule is blocked: nothing is done in the name of somebody who was shut out."""

    code = "owner_blocked"


class ExportableProjects:
    """Finds out what the owner of a schedule may export at this moment."""

    def __init__(self, pool: Pool, settings: InstanceSettings) -> None:
        self._pool = pool
        self._settings = settings

    async def find_owner(self, schedule: Schedule) -> User:
        """Return the owner of a schedule. Raises OwnerGone and OwnerBlocked."""
        owner = await find_user_by_id(self._pool, schedule.user_id)
        if owner is None:
            raise OwnerGone("the owner of the schedule does not exist any more")
        if owner.blocked:
            raise OwnerBlocked("the owner of the schedule is blocked")
        return owner

    async def select(self, schedule: Schedule) -> Sequence[Mapping[str, Any]]:
        """Give the projects of a run: ``project_id`` and ``path``, and of a name that led to none, why.

        Raises ExportsDisabled, OwnerGone, OwnerBlocked, NotFound or Denied for the group, and RunTooLarge.
        """
        await self._require_enabled()
        owner, selection = await self.find_owner(schedule), schedule.order.selection
        found: dict[str, Mapping[str, Any]] = {}
        async with aclosing(self._find(owner, selection)) as each:
            async for one in each:
                if one.get("code") or selection.takes(one["path"]):
                    found[one["path"]] = one
                if len(found) > MOST_PROJECTS:
                    raise RunTooLarge(MOST_PROJECTS)
        return list(found.values())

    async def permit(self, owner: User, project_id: int) -> Project:
        """Return a project that the owner may export now.

        Raises ExportsDisabled, NotFound, Denied and ProjectTooLarge.
        """
        limit = await self._require_enabled()
        visible = await find_visible_project(self._pool, owner, str(project_id))
        project = visible.require(AccessLevel.MAINTAINER)
        if limit and await project_size(self._pool, project.id) > limit * MIB:
            raise ProjectTooLarge
        return project

    async def _require_enabled(self) -> int:
        """Return the limit of the size of exports in MiB, or 0. Raises ExportsDisabled."""
        settings = await self._settings.current()
        if not settings.project_export_enabled:
            raise ExportsDisabled
        return settings.max_export_size

    async def _find(self, owner: User, selection: Selection) -> AsyncGenerator[Mapping[str, Any], None]:
        if selection.projects:
            for reference in selection.projects:
                yield await self._named(owner, reference)
            return
        group = None
        if selection.group is not None:
            group = (await find_visible_group(self._pool, owner, selection.group)).namespace.id
        behind = 0
        while found := await projects.list_maintained(
            self._pool, owner, below=group, behind=behind, limit=_AT_ONCE
        ):
            for number, path in found:
                yield {"project_id": number, "path": path}
            behind = found[-1][0]

    async def _named(self, owner: User, reference: str) -> Mapping[str, Any]:
        try:
            visible = await find_visible_project(self._pool, owner, reference)
            project = visible.require(AccessLevel.MAINTAINER)
        except CrossdockError as error:
            return {"path": reference, "why": error.shown, "code": error.code}
        return {"project_id": project.id, "path": project.full_path}
