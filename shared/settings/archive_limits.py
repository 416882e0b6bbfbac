"""The limits of archives, from the environment and the application settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from shared.archive.limits import MIB, Limits, Prices
from shared.database.pool import Database
from shared.settings.application import ApplicationSettings
from shared.settings.environment import Settings
from shared.settings.store import application_settings

LimitsProvider = Callable[[], Awaitable[Limits]]
"""Gives the current limits."""


def archive_limits(settings: Settings) -> Limits:
    """Give the limits of the environment."""
    return Limits(
        decompressed=settings.max_decompressed_archive_size * MIB,
        entries=settings.max_archive_entries,
        name=settings.max_entry_name,
        line=settings.max_line_size * MIB,
        depth=settings.max_json_depth,
        prices=Prices(
            gift=settings.archive_gift * MIB,
            line=settings.archive_line_price,
            entry=settings.archive_entry_price,
            ratio=settings.archive_ratio,
            parsed_ratio=settings.archive_parsed_ratio,
            bracket_ratio=settings.archive_bracket_ratio,
        ),
    )


async def current_limits(db: Database, limits: Limits, *, defaults: ApplicationSettings) -> Limits:
    """Give ``limits`` with the current ``max_decompressed_archive_size``; read at the start of each job."""
    settings = await application_settings(db, defaults)
    return replace(limits, decompressed=settings.max_decompressed_archive_size * MIB)
