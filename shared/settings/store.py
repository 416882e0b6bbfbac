"""The application settings in Postgres. Every use reads them, so that a change holds everywhere at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeAlias

from shared.database.pool import Database
from shared.settings.application import ApplicationSettings

SettingsProvider: TypeAlias = Callable[[], Awaitable[ApplicationSettings]]
"""Gives the settings that hold at this moment."""

_NAMES = frozenset(field.name for field in fields(ApplicationSettings))


async def application_settings(db: Database, defaults: ApplicationSettings) -> ApplicationSettings:
    """Give the settings as they are now: what an administrator has set, and ``defaults`` for the rest."""
    rows = await db.fetch("SELECT name, value FROM application_settings")
    # A name that is not known here was set by a newer version that was taken back.
    changed = {row["name"]: _value(row["value"]) for row in rows if row["name"] in _NAMES}
    return replace(defaults, **changed)


def _value(kept: Any) -> Any:  # noqa: ANN401  # JSON
    return tuple(kept) if isinstance(kept, list) else kept


async def change_settings(db: Database, changes: Mapping[str, object]) -> None:
    """Set some of the settings, all at once; they hold from the next look at them, in every process."""
    await db.execute(
        """INSERT INTO application_settings (name, value) SELECT * FROM jsonb_each($1)
           ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()""",
        dict(changes),
    )
