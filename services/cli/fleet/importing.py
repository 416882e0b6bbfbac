"""Puts archives into one server: each becomes a project, once, however often that is tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from services.cli.client import GitLabClient, ImportRequest, ImportStatusAnswer
from services.cli.errors import RefusedByServer, UsageError
from services.cli.fleet.groups import Groups
from services.cli.fleet.screen import TaskReporter
from services.cli.polling import import_states, limit_wait
from services.cli.relations import find_missed
from shared.gitlab.relation_selection import RelationSelection

_NOT_FOUND = 404
_UNDER_WAY = frozenset({"scheduled", "started"})
_FAILED = frozenset({"failed", "canceled"})


def refuse_doubles(targets: Iterable[str], *, instead: str) -> None:
    """Raise UsageError where two projects would get the same path, for which case does not matter."""
    twice = [target for target, count in Counter(map(str.lower, targets)).items() if count > 1]
    if twice:
        raise UsageError(f"several projects would become {min(twice)}: {instead}")


async def _nothing() -> None:
    """There is nothing to prepare."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A project that was imported; ``sent`` is False where an earlier run had sent its archive.

    ``missed`` says what of a selection refers to what was left out. ``job`` is its number, None at a GitLab.
    """

    status: ImportStatusAnswer
    sent: bool
    missed: Sequence[str] = ()
    job: int | None = None


class Importing:
    """Imports archives into one server, each within a time; projects that are there may be replaced."""

    def __init__(
        self,
        client: GitLabClient,
        *,
        within: timedelta,
        overwrite: bool,
    ) -> None:
        self._client = client
        self._within = within
        self._overwrite = overwrite
        self._groups = Groups(client)

    async def run(
        self,
        target: str,
        read: Callable[[], AsyncGenerator[bytes, None]],
        report: TaskReporter,
        *,
        prepare: Callable[[], Awaitable[None]] = _nothing,
        selection: RelationSelection | None = None,
    ) -> Imported | None:
        """Import the archive that ``read`` gives, from its beginning at each call, as the project ``target``.

        None where a project is there that may not be replaced. An import that is under way is followed, one
        that has failed is done again. ``prepare`` is called before an archive is sent, and only then.
        ``selection`` is what is imported, None for all of it. Raises CommandError.
        """
        present = await self.find(target)
        if present is not None and present.import_status in _UNDER_WAY:
            return Imported(await self._follow(present, report), sent=False)
        if present is not None and not (self._overwrite or present.import_status in _FAILED):
            return None
        await prepare()
        await self._groups.ensure(target.rpartition("/")[0])
        request = ImportRequest.to(target, name=None, overwrite=present is not None, overrides={})
        request = replace(request, selection=selection)
        scheduled = await self._client.import_again(read, request)
        status = await self._follow(scheduled.status, report, job=scheduled.job)
        missed = await find_missed(self._client, scheduled.job, selection)
        return Imported(status, sent=True, missed=missed, job=scheduled.job)

    async def find(self, target: str) -> ImportStatusAnswer | None:
        """Find a project with the state of its import; None for none."""
        try:
            return await self._client.import_status(target)
        except RefusedByServer as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    async def _follow(
        self, status: ImportStatusAnswer, report: TaskReporter, *, job: int | None = None
    ) -> ImportStatusAnswer:
        newest = status
        async with limit_wait(self._within, f"the import of {status.path_with_namespace}"):
            async for newest in import_states(self._client, status.id, job):
                report(newest.import_status, 0, None)
        return newest
