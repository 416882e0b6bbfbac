"""The projects of runs that fetch from a peer, or send to one, with the rights of the schedule's owner."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.accounts.models import User
from shared.accounts.namespaces import find_namespace_by_path
from shared.database.pool import Connection, Pool
from shared.destinations import store as destinations
from shared.destinations.models import Destination, DestinationKind, PeerSettings
from shared.errors import CrossdockError, Fault
from shared.gitlab.visibility import Visibility
from shared.jobs.models import Job
from shared.peers.answers import PeerProject
from shared.peers.errors import PeerRecordMissing
from shared.projects import store as projects
from shared.projects.models import Project
from shared.remote.errors import BlockedUrl, RemoteError
from shared.schedules import peer_copies, runs
from shared.schedules.models import ProjectState, RunProject, Schedule, Selection
from shared.usecases.errors import DestinationNotPeer, RunTooLarge
from shared.usecases.groups import GroupRequest, Groups
from shared.usecases.imports import ImportRequest, Imports
from shared.usecases.job_origin import JobOrigin
from shared.usecases.peer_transfers import Peer, PeerJobs, SendRequest, archive_of, order_of
from shared.usecases.runs import MOST_PROJECTS, ExportableProjects

SELECT_WITHIN = timedelta(minutes=10)
"""How long a peer may take to tell of the projects of one run."""

_LOOK_WITHIN = timedelta(seconds=10)
_UNCHANGED = "unchanged"


class PeerSilent(CrossdockError):
    """The GitLab or Crossdock did not tell of its projects in time."""

    code = "peer_silent"
    fault = Fault.REMOTE
    retryable = True

    def __init__(self) -> None:
        minutes = int(SELECT_WITHIN.total_seconds() // 60)
        super().__init__(f"the peer did not tell of its projects within {minutes} minutes")


class _NotWaiting(Exception):  # nobody sees it
    """The project does not wait any more, as the run was canceled: what was made for it goes."""


@dataclass(slots=True)
class PeerPlace:
    """The peer of a schedule. It is asked no more once it has not answered: jobs find out what is wrong."""

    peer: Peer
    destination: Destination
    is_away: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether each change of a project there is noted at once."""
        return self.destination.kind is DestinationKind.CROSSDOCK


class PeerRuns:
    """Finds the projects of runs at peers, and queues their jobs."""

    def __init__(
        self,
        pool: Pool,
        transfers: PeerJobs,
        *,
        imports: Imports,
        groups: Groups,
        exportable: ExportableProjects,
    ) -> None:
        self._pool = pool
        self._transfers = transfers
        self._imports = imports
        self._groups = groups
        self._exportable = exportable

    async def has_peer(self, schedule: Schedule) -> bool:
        """Tell whether the destination of a schedule is a peer."""
        found = await destinations.find(self._pool, schedule.order.destination_id)
        return found is not None and isinstance(found.settings, PeerSettings)

    async def find_place(self, schedule: Schedule) -> PeerPlace | None:
        """Open the peer of a schedule; None where its destination is a bucket. Raises SecretUnreadable."""
        found = await destinations.find(self._pool, schedule.order.destination_id)
        if found is None or not isinstance(found.settings, PeerSettings):
            return None
        return PeerPlace(await self._transfers.open(found), found)

    async def select(self, schedule: Schedule) -> Sequence[Mapping[str, Any]]:
        """Give the projects of a run that fetches: ``remote_id``, ``path``, or why a name led to none.

        Raises OwnerGone, OwnerBlocked, RunTooLarge, DestinationNotPeer, RemoteError, BlockedUrl and
        PeerSilent.
        """
        await self._exportable.find_owner(schedule)
        place = await self.find_place(schedule)
        if place is None:
            raise DestinationNotPeer
        try:
            async with asyncio.timeout(SELECT_WITHIN.total_seconds()):
                return await _select(place.peer, schedule.order.selection)
        except TimeoutError:
            raise PeerSilent from None

    async def queue(self, each: RunProject, schedule: Schedule, place: PeerPlace, owner: User) -> Job | None:
        """Queue the job of a project that waits; None where it is skipped, or waits no more.

        Raises what hinders it.
        """
        if schedule.order.into is None:
            return await self._queue_send(each, schedule, place, owner)
        return await self._queue_fetch(each, schedule, place, owner, into=schedule.order.into)

    async def _queue_fetch(
        self, each: RunProject, schedule: Schedule, place: PeerPlace, owner: User, *, into: str
    ) -> Job | None:
        assert each.remote_id is not None  # noqa: S101  # of each project of a peer
        target = f"{into}/{each.path}"
        last = await peer_copies.find(self._pool, schedule.id, each.remote_id)
        relations = schedule.order.relations
        is_current = last is not None and last.path == target and last.relations == relations
        if is_current and last and last.has_all_until(each.last_activity_at, is_exact=place.is_exact):
            there = await projects.find_by_path(self._pool, target)
            if there is not None:
                await self._skip(each)
                return None
        await self._imports.admit(owner, counts=False)
        above, _, path = target.rpartition("/")
        await self._make_groups(owner, above)
        request = ImportRequest(
            path=path, name=None, namespace=above, overwrite=True, override_params={}, selection=relations
        )
        to = await self._imports.find_destination(owner, request)
        project = PeerProject(id=each.remote_id, path_with_namespace=each.path)
        try:
            async with self._pool.acquire() as db, db.transaction():
                made = await self._imports.insert(
                    db, owner, request, to=to, archive=archive_of(place.peer, project), origin=_origin(each)
                )
                await _claim(db, each, made.job)
        except _NotWaiting:
            return None
        return made.job

    async def _queue_send(
        self, each: RunProject, schedule: Schedule, place: PeerPlace, owner: User
    ) -> Job | None:
        project = await self._exportable.permit(owner, each.project_id or 0)
        above = project.full_path.rpartition("/")[0]
        below = place.peer.settings.namespace
        namespace = above if below is None else f"{below}/{above}"
        if await self._is_there(schedule, place, project, f"{namespace}/{project.path}"):
            await self._skip(each)
            return None
        request = SendRequest(namespace=namespace, selection=schedule.order.relations)
        order = order_of(place.peer, project, request, makes_groups=True)
        try:
            async with self._pool.acquire() as db, db.transaction():
                await peer_copies.note_activity(db, each.id, project.last_activity_at)
                made = await self._transfers.insert(db, project, owner, order, origin=_origin(each))
                await _claim(db, each, made.job)
        except _NotWaiting:
            return None
        return made.job

    async def _is_there(self, schedule: Schedule, place: PeerPlace, project: Project, target: str) -> bool:
        """Tell whether the peer has all that the project has. Where it does not tell, the job finds out."""
        last = await peer_copies.find(self._pool, schedule.id, project.id)
        if last is None or last.path != target or last.remote_id is None or place.is_away:
            return False
        if last.relations != schedule.order.relations:
            return False
        if not last.has_all_until(project.last_activity_at, is_exact=True):
            return False
        try:
            async with asyncio.timeout(_LOOK_WITHIN.total_seconds()):
                found = await place.peer.client.project(last.remote_id)
        except PeerRecordMissing:
            return False
        except (RemoteError, BlockedUrl, TimeoutError):
            place.is_away = True
            return False
        return found.path_with_namespace == target

    async def _skip(self, each: RunProject) -> None:
        await runs.end_project(self._pool, each.id, ProjectState.SKIPPED, why=_UNCHANGED)

    async def _make_groups(self, owner: User, path: str) -> None:
        """Have the groups of a full path here: those that are missing are made, and are private."""
        above, names = None, path.split("/")
        for depth in range(1, len(names) + 1):
            found = await find_namespace_by_path(self._pool, "/".join(names[:depth]))
            if found is None:
                made = GroupRequest(
                    name=names[depth - 1],
                    path=names[depth - 1],
                    description="",
                    parent_id=None if above is None else above.id,
                    visibility=Visibility.PRIVATE,
                )
                found = await self._groups.create(owner, made)
            above = found


async def _claim(db: Connection, each: RunProject, job: Job) -> None:
    if not await runs.queue_project(db, each.id, job.id):
        raise _NotWaiting


def _origin(each: RunProject) -> JobOrigin:
    return JobOrigin(correlation_id=f"run-{each.run_id}")


async def _select(peer: Peer, selection: Selection) -> Sequence[Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for reference in selection.projects:
        one = await _named(peer, reference)
        if one.get("code") or selection.takes(one["path"]):
            found[one["path"]] = one
    if selection.projects:
        return list(found.values())
    group, client = selection.group, peer.client
    listed = client.exportable() if group is None else client.projects_of(group)
    async with aclosing(listed) as each:
        async for project in each:
            if selection.takes(project.path_with_namespace):
                found[project.path_with_namespace] = _told(project)
            if len(found) > MOST_PROJECTS:
                raise RunTooLarge(MOST_PROJECTS)
    return list(found.values())


async def _named(peer: Peer, reference: str) -> Mapping[str, Any]:
    try:
        return _told(await peer.client.project(reference))
    except PeerRecordMissing as error:
        return {"path": reference, "why": error.shown, "code": error.code}


def _told(project: PeerProject) -> Mapping[str, Any]:
    activity = project.last_activity_at
    return {
        "path": project.path_with_namespace,
        "remote_id": project.id,
        "last_activity_at": activity and activity.isoformat(),
    }
