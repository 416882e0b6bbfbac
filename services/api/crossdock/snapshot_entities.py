"""JSON of open snapshots and their entries."""

from __future__ import annotations

from services.api.http.responses import timestamp
from shared.pushes.store import Push
from shared.restore.failures import Failure
from shared.snapshots.models import EntryKind, PlacedEntry
from shared.usecases.push_content import ReceivedArchive, ReceivedEntry


def snapshot_entity(push: Push) -> dict[str, object]:
    """Make an open or committed snapshot. ``bytes`` is the total size of its files."""
    is_open = push.committed_at is None
    return {
        "id": push.id,
        "state": "open" if is_open else "committed",
        "base": push.base_id,
        "entries": push.entries,
        "bytes": push.raw_size,
        "created_at": timestamp(push.created_at),
        "committed_at": timestamp(push.committed_at) if push.committed_at else None,
        "expires_at": timestamp(push.expires_at) if is_open else None,
    }


def entry_entity(placed: PlacedEntry) -> dict[str, object]:
    """Make an entry. The digest is that of the stored content; directories have none."""
    entry = placed.entry
    return {
        "name": entry.name,
        "kind": entry.kind.value,
        "size": entry.raw_size,
        "sha256": entry.sha256.hex() if entry.sha256 else None,
        "lines": entry.lines if entry.kind is EntryKind.RELATION else None,
    }


def received_entity(received: ReceivedEntry) -> dict[str, object]:
    """Make an entry that was just received, with its skipped lines."""
    failures = received.failures
    return {
        **entry_entity(received.placed),
        "failed_lines": failures.count,
        "failures": [_failure(each) for each in failures.first],
    }


def received_archive_entity(received: ReceivedArchive) -> dict[str, object]:
    """Make the sum of the entries that were just received, with the skipped lines of all relations."""
    failures = received.failures
    return {
        "entries": received.entries,
        "bytes": received.raw_size,
        "failed_lines": failures.count,
        "failures": [{"relation": each.relation, **_failure(each)} for each in failures.first],
    }


def _failure(failure: Failure) -> dict[str, object]:
    return {
        "line_number": failure.line_number,
        "exception_class": failure.exception_class,
        "exception_message": failure.message,
        "external_identifiers": dict(failure.external_identifiers),
    }
