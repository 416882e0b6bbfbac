"""The application settings in Postgres. Every use reads them, so that a change applies everywhere at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeAlias

from shared.database.pool import Database
from shared.settings.application import ApplicationSettings

SettingsProvider: TypeAlias = Callable[[], Awaitable[ApplicationSettings]]
"""Gives the current settings."""

_NAMES = frozenset(field.name for field in fields(ApplicationSettings))


async def application_settings(db: Database, defaults: ApplicationSettings) -> ApplicationSettings:
    """Give the current settings: an administrator's, and ``defaults`` for the others."""
    rows = await db.fetch("SELECT name, value FROM application_settings")
    # An unknown name was set by a newer version, before a downgrade.
    changed = {row["name"]: _value(row["value"]) for row in rows if row["name"] in _NAMES}
    return replace(defaults, **changed)


def _value(kept: Any) -> Any:  # noqa: ANN401  # JSON
    return tuple(kept) if isinstance(kept, list) else kept


async def change_settings(db: Database, changes: Mapping[str, object]) -> None:
    """Set some of the settings, all at once; each use after that reads them, in every process."""
    await db.execute(
        """INSERT INTO application_settings (name, value) SELECT * FROM jsonb_each($1)
           ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()""",
        dict(changes),
    )
