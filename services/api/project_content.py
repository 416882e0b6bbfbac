"""What a project shows of its content when it is shown on its own."""

from __future__ import annotations

from dataclasses import asdict

from services.api.dependencies import Dependencies
from services.api.references import find_bundle
from shared.errors import ArchiveError, StorageError
from shared.git.references import TooManyReferences
from shared.projects.models import Project
from shared.snapshots import index
from shared.snapshots.models import PlacedEntry
from shared.snapshots.references import read_references
from shared.snapshots.statistics import Statistics, statistics


async def repository_facts(dependencies: Dependencies, project: Project) -> dict[str, object]:
    """Tell whether there is a repository, and its default branch."""
    bundle = await find_bundle(dependencies, project)
    return {"default_branch": await _default_branch(dependencies, bundle), "empty_repo": bundle is None}


async def _default_branch(dependencies: Dependencies, bundle: PlacedEntry | None) -> str | None:
    """Tell it; None where it cannot be read, as that is no reason to show nothing of the project."""
    if bundle is None:
        return None
    try:
        return (await read_references(dependencies.store, bundle)).default_branch
    except (TooManyReferences, ArchiveError, StorageError):
        return None


async def statistics_of(dependencies: Dependencies, project: Project) -> dict[str, object]:
    """Make the sizes of all that the project has; what an archive has none of is 0."""
    snapshot_id = await index.current(dependencies.pool, project.id)
    found = Statistics() if snapshot_id is None else await statistics(dependencies.pool, snapshot_id)
    return {
        "storage_size": found.storage_size,
        **asdict(found),
        "job_artifacts_size": 0,
        "pipeline_artifacts_size": 0,
        "packages_size": 0,
    }
