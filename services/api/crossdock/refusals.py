"""How open snapshots refuse what they are asked for, as answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.api.http.errors import NotFound, Refused
from shared.archive.errors import ArchiveTooLarge
from shared.errors import ArchiveError
from shared.pushes.store import PushCommitted, PushGone, PushMoving, TooManyOpen
from shared.snapshots.index import SnapshotOutdated


@contextmanager
def refusals() -> Iterator[None]:
    """Raise 404, 409, 413 and 422, each with its reason."""
    try:
        yield
    except PushGone:
        raise NotFound("Snapshot") from None
    except (PushCommitted, PushMoving, SnapshotOutdated, TooManyOpen) as error:
        raise Refused(409, str(error)) from None
    except ArchiveTooLarge as error:
        raise Refused(413, str(error)) from None
    except ArchiveError as error:
        raise Refused(422, str(error)) from None
