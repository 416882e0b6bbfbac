"""Finds the current content of a project, with what its reader may see of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.errors import StorageError
from shared.gitlab.features import CLOSED
from shared.projects.models import Project
from shared.records.features import features_of
from shared.snapshots import lifecycle
from shared.storage.base import ObjectStore
from shared.usecases.access import VisibleProject, read_visible_project
from shared.usecases.errors import NotFound
from shared.usecases.policy import Policy


@dataclass(frozen=True, slots=True)
class ReadableContent:
    """A project, its current snapshot, None where it has no content, and what the reader may see of that."""

    project: Project
    snapshot_id: int | None
    policy: Policy


async def find_content(pool: Pool, store: ObjectStore, actor: User | None, reference: str) -> ReadableContent:
    """Return the content of a project that the user may see. Raises NotFound and MovedProject."""
    return await read_visible_project(pool, actor, reference, partial(content_of, pool, store))


async def content_of(
    pool: Pool, store: ObjectStore, found: VisibleProject, *, or_closed: bool = False
) -> ReadableContent:
    """Return the content of a project. Raises NotFound where the project is deleted meanwhile.

    The snapshot, its features and the visibility are of one moment, so that a commit at the same time, which
    may change them all, shows nothing by the rules of the content before.

    Raises StorageError where the features are to be read from the store and cannot be. With ``or_closed``
    every feature counts as disabled then, for who shows a project and not its content.
    """
    content = await lifecycle.current_content(pool, found.project.id)
    if content is None:
        raise NotFound("Project")
    try:
        features = await features_of(pool, store, content)
    except StorageError:
        if not or_closed:
            raise
        features = CLOSED
    policy = Policy(
        features=features, visibility=content.visibility, level=found.level, signed_in=found.signed_in
    )
    return ReadableContent(found.project, content.snapshot_id, policy)
