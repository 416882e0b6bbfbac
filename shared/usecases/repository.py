"""Branches and tags of a project, which its git bundle lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.database.search import Found
from shared.git.bundle_references import References
from shared.gitlab.layout import REPOSITORY
from shared.projects.models import Project
from shared.snapshots import index
from shared.snapshots.models import PlacedEntry
from shared.snapshots.references import read_references
from shared.storage.base import ObjectStore
from shared.usecases.access import find_visible_project
from shared.usecases.errors import NotFound

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

    async def show(self, actor: User | None, reference: str) -> Repository:
        """Return the references of a project. Raises NotFound, MovedProject and TooManyReferences."""
        project = (await find_visible_project(self._pool, actor, reference)).project
        return Repository(project, await self.read(await self.find_bundle(project)))

    async def find_bundle(self, project: Project) -> PlacedEntry | None:
        """Return the bundle of the project's repository; None if the repository is empty."""
        snapshot_id = await index.current(self._pool, project.id)
        return None if snapshot_id is None else await index.find_entry(self._pool, snapshot_id, REPOSITORY)

    async def read(self, bundle: PlacedEntry | None) -> References:
        """Read the references that a bundle lists. Raises TooManyReferences."""
        return _NONE if bundle is None else await read_references(self._store, bundle)


def sort_page(references: Mapping[str, str], *, offset: int, limit: int) -> Found[str]:
    """Return a page of the names, sorted."""
    return Found(sorted(references)[offset : offset + limit], len(references))
