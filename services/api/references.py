"""Use cases of branches and tags: what the project's bundle lists, as GitLab shows it."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.dependencies import Dependencies
from services.api.http.errors import Refused
from shared.database.search import Found
from shared.git.references import References, TooManyReferences
from shared.gitlab.layout import REPOSITORY
from shared.projects.models import Project
from shared.snapshots import index
from shared.snapshots.models import PlacedEntry
from shared.snapshots.references import read_references

_SHORT = 8
_NONE = References()


async def find_bundle(dependencies: Dependencies, project: Project) -> PlacedEntry | None:
    """Find the bundle that has the project's repository; None where that is empty."""
    snapshot_id = await index.current(dependencies.pool, project.id)
    return None if snapshot_id is None else await index.find(dependencies.pool, snapshot_id, REPOSITORY)


async def references_of(dependencies: Dependencies, project: Project) -> References:
    """Read the project's references. Raises 422 where there are more than can be listed."""
    bundle = await find_bundle(dependencies, project)
    if bundle is None:
        return _NONE
    try:
        return await read_references(dependencies.store, bundle)
    except TooManyReferences as error:
        raise Refused(422, str(error)) from None


def in_order(references: Mapping[str, str], *, offset: int, limit: int) -> Found[str]:
    """Give a page of names, in their order."""
    return Found(sorted(references)[offset : offset + limit], len(references))


def branch_entity(
    references: References, name: str, *, default: str | None, web_url: str
) -> dict[str, object]:
    """Make a branch; ``default`` is the name of the one that HEAD means."""
    return {
        "name": name,
        "commit": _commit(references.branches[name]),
        "default": name == default,
        "web_url": f"{web_url}/-/tree/{name}",
    }


def tag_entity(references: References, name: str) -> dict[str, object]:
    """Make a tag; an annotated one shows its own object, as a bundle does not list its commit."""
    object_id = references.tags[name]
    return {"name": name, "target": object_id, "commit": _commit(object_id)}


def _commit(object_id: str) -> dict[str, object]:
    return {"id": object_id, "short_id": object_id[:_SHORT]}
