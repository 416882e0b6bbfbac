"""Errors of manifests."""

from __future__ import annotations

from shared.errors import CrossdockError, Fault


class ManifestInvalid(CrossdockError):
    """What was given as a manifest is none, or was changed or cut."""

    code = "manifest_invalid"
    fault = Fault.ARCHIVE
