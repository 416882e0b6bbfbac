"""Branches and tags of a project, which its git bundle lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.database.search import Found
from shared.errors import Denied
from shared.git.bundle_references import References
from shared.gitlab.layout import REPOSITORY
from shared.projects.models import Project
from shared.snapshots import lookups
from shared.snapshots.models import PlacedEntry
from shared.snapshots.references import read_references
from shared.storage.base import ObjectStore
from shared.usecases.access import VisibleProject
from shared.usecases.content import ReadableContent, content_of, find_content
from shared.usecases.errors import NotFound
from shared.usecases.policy import Kind

_NONE = References()


@dataclass(frozen=True, slots=True)
class Repository:
    """A project and the references of its repository."""

    project: Project
    references: References

    def require_branch(self, name: str) -> str:
        """Return the name. Raises NotFound if there is no such branch."""
        if name not in self.references.branches:
            raise NotFound("Branch")
        return name

    def require_tag(self, name: str) -> str:
        """Return the name. Raises NotFound if there is no such tag."""
        if name not in self.references.tags:
            raise NotFound("Tag")
        return name


class Repositories:
    """Reads the references of imported repositories."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store

    async def find_branches(self, actor: User | None, reference: str) -> Repository:
        """Return the references of a project, of which the branches are requested.

        Raises NotFound for a repository that is switched off, too, and what ``find_tags`` raises.
        """
        content = await find_content(self._pool, self._store, actor, reference)
        if not content.policy.has_repository:
            raise NotFound("Repository")
        return await self._show(content)

    async def find_tags(self, actor: User | None, reference: str) -> Repository:
        """Return the references of a project, of which the tags are requested.

        Raises NotFound, MovedProject, TooManyReferences, and Denied if the user may not read the code.
        """
        return await self._show(await find_content(self._pool, self._store, actor, reference))

    async def _show(self, content: ReadableContent) -> Repository:
        if not content.policy.may_list(Kind.CODE):
            raise Denied
        return Repository(content.project, await self.read(await self.find_bundle(content)))

    async def describe(self, found: VisibleProject) -> ReadableContent:
        """Return the current content of a project that is shown itself. Raises NotFound.

        Nothing of it may be read where the store cannot say what may.
        """
        return await content_of(self._pool, self._store, found, or_closed=True)

    async def find_bundle(self, content: ReadableContent) -> PlacedEntry | None:
        """Return the bundle of the project's repository; None if the repository is empty."""
        snapshot_id = content.snapshot_id
        return None if snapshot_id is None else await lookups.find_entry(self._pool, snapshot_id, REPOSITORY)

    async def read(self, bundle: PlacedEntry | None) -> References:
        """Read the references that a bundle lists. Raises TooManyReferences."""
        return _NONE if bundle is None else await read_references(self._store, bundle)


def sort_page(references: Mapping[str, str], *, offset: int, limit: int) -> Found[str]:
    """Return a page of the names, sorted."""
    return Found(sorted(references)[offset : offset + limit], len(references))
