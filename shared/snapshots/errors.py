"""Errors of the index."""

from __future__ import annotations

from shared.errors import CrossdockError


class SnapshotOutdated(CrossdockError):
    """The project has got other content than that from which the snapshot was made."""

    code = "snapshot_outdated"
    retryable = True

    def __init__(self, project_id: int) -> None:
        super().__init__(f"project {project_id} got new content meanwhile")


class SnapshotGone(CrossdockError):
    """The snapshot was collected while it was read or written."""

    code = "snapshot_gone"
    retryable = True

    def __init__(self, snapshot_id: int) -> None:
        super().__init__(f"snapshot {snapshot_id} was dropped while it was used")
