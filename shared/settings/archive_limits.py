"""What an archive may ask of an import, as an administrator has set it by now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from shared.archive.limits import MIB, Limits
from shared.database.pool import Database
from shared.settings.application import ApplicationSettings
from shared.settings.environment import Settings
from shared.settings.store import application_settings

LimitsProvider = Callable[[], Awaitable[Limits]]
"""Gives the limits that hold at this moment."""


def archive_limits(settings: Settings) -> Limits:
    """Give the limits of the environment."""
    return Limits(
        decompressed=settings.max_decompressed_archive_size * MIB,
        entries=settings.max_archive_entries,
        name=settings.max_entry_name,
        line=settings.max_line_size * MIB,
        depth=settings.max_json_depth,
    )


async def current_limits(db: Database, limits: Limits, *, defaults: ApplicationSettings) -> Limits:
    """Give ``limits`` with the ``max_decompressed_archive_size`` that holds now; asked at a job's start."""
    settings = await application_settings(db, defaults)
    return replace(limits, decompressed=settings.max_decompressed_archive_size * MIB)
