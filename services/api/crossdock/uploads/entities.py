"""JSON of uploads."""

from __future__ import annotations

from services.api.crossdock.uploads.metadata import decode
from services.api.http.responses import timestamp
from shared.uploads.models import Upload


def upload_entity(upload: Upload) -> dict[str, object]:
    """Return what is shown of an upload."""
    metadata = decode(upload.metadata)
    return {
        "id": upload.id,
        "filename": metadata.get("filename") or metadata.get("name"),
        "length": upload.size,
        "offset": upload.received,
        "partial": upload.is_partial,
        "metadata": metadata,
        "created_at": timestamp(upload.created_at),
        "expires_at": timestamp(upload.expires_at),
    }
