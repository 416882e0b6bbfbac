"""Why a job that moves a project from or to a peer waits or fails. No message has the token."""

from __future__ import annotations

from datetime import timedelta

from yarl import URL

from shared.remote.errors import RemoteError


class PeerAtWork(RemoteError):
    """The peer exports or imports the project now: the job waits in the queue and asks again."""

    code = "peer_at_work"
    retryable = True
    counts = False

    def __init__(self, url: URL, what: str, *, wait: int) -> None:
        super().__init__(url, f"{what} the project now: the job asks again in {wait} s")
        self.wait = wait


class PeerOverdue(RemoteError):
    """The peer has not come to an end with the project within the time that one job may wait for it."""

    code = "peer_overdue"

    def __init__(self, url: URL, limit: timedelta) -> None:
        super().__init__(url, f"has not come to an end within {limit / timedelta(hours=1):g} hours")


class PeerPathTaken(RemoteError):
    """The peer has a project at the path to which one is sent, and it is not to be overwritten."""

    code = "peer_path_taken"

    def __init__(self, url: URL, path: str) -> None:
        super().__init__(url, f"has a project {path} already, and the order does not say to overwrite it")


class PeerImportFailed(RemoteError):
    """The import at the peer did not come to a good end; the message has what the peer says."""

    code = "peer_import_failed"

    def __init__(self, url: URL, status: str, reason: str) -> None:
        super().__init__(url, f"has not imported the project, its import is {status}: {reason}")


class PeerExportFailed(RemoteError):
    """The peer could not export the project, or lost the archive, each time that it was asked to."""

    code = "peer_export_failed"

    def __init__(self, url: URL, status: str, times: int) -> None:
        super().__init__(url, f"gave no export of the project: its status is {status!r} after {times} tries")
