"""A repository of a GitHub as the events of an archive: what git gives, and the records of kept pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import msgspec

from shared.archive.events import ArchiveEvent, EntryData, EntryEnded, EntryStarted, TarEntryKind
from shared.git.selection import ReferenceSelection
from shared.github.answers import UNREADABLE, PullRequest, Repository
from shared.github.lists import map_project
from shared.github.merge_requests import branch_to_make
from shared.github.origin import Origin
from shared.github.statistics import ObjectType, Tally
from shared.github_import import lists
from shared.github_import.pages import PageStore
from shared.github_import.records import Lines, RelationLines
from shared.github_import.uploads import UploadEvents
from shared.gitlab.layout import relation_file
from shared.gitlab.record_json import escaped
from shared.gitlab.visibility import Visibility
from shared.restore.git_events import GitSource
from shared.restore.reading import Reading

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubSource:
    """A repository that was fetched into ``pages``, and what ``git`` gives beside it.

    ``visibility`` is that of the namespace, which a project of a public repository gets.
    """

    git: GitSource
    pages: PageStore
    repository: Repository
    origin: Origin
    visibility: Visibility
    uploads: UploadEvents

    async def events(self, reading: Reading) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the events. Raises RepositoryError, RemoteError, BlockedUrl and ArchiveError."""
        reading.budget.earn(self.pages.size)
        files = self.uploads
        records = RelationLines(self.pages, self.origin, reading, files.uploads)
        for event in self.git.head(await self._document(records)):
            yield event
        beside = Tally()

        def count_lfs(wanted: int, kept: int) -> None:
            beside.fetched[ObjectType.LFS_OBJECT], beside.imported[ObjectType.LFS_OBJECT] = wanted, kept

        git = replace(self.git, make_branches=self._make_branches, count_lfs=count_lfs)
        async with aclosing(git.repositories(reading)) as events:
            async for event in events:
                yield event
        async with aclosing(files.events(self.git, reading)) as events:
            async for event in events:
                yield event
        await records.count_others(beside)
        await records.count_others(files.tally)
        for name, lines in records.relations(self.repository):
            async with aclosing(self._relation(name, lines)) as events:
                async for event in events:
                    yield event
        await records.complete()

    async def _document(self, records: RelationLines) -> bytes:
        must_resolve = await records.must_resolve_discussions(self.repository)
        return escaped(
            map_project(
                self.repository,
                namespace_visibility=self.visibility,
                must_resolve_discussions=must_resolve,
            )
        )

    async def _relation(self, name: str, lines: Lines) -> AsyncGenerator[ArchiveEvent, None]:
        yield EntryStarted(relation_file(name), TarEntryKind.FILE, 0, self.git.mtime)
        async with aclosing(lines):
            async for line in lines:
                for at in range(0, len(line), _PIECE):
                    yield EntryData(line[at : at + _PIECE])
        yield EntryEnded()

    async def _make_branches(self, selection: ReferenceSelection) -> None:
        """Make the branches of open pull requests that are not here, as those of forks."""
        async with aclosing(self.pages.pages(lists.PULLS.name)) as pages:
            async for items in pages:
                for item in items:
                    try:
                        branch = branch_to_make(msgspec.json.decode(item, type=PullRequest))
                    except UNREADABLE:
                        continue
                    if branch is not None:
                        selection.make_branch(branch.name, branch.sha)
