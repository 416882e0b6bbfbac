"""The application settings in Postgres. Every use reads them, so that a change applies everywhere at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeAlias

from shared.database.pool import Database
from shared.settings.application import ApplicationSettings

SettingsProvider: TypeAlias = Callable[[], Awaitable[ApplicationSettings]]
"""Gives the current settings."""

CHANGED = "(SELECT jsonb_object_agg(name, value) FROM application_settings)"
"""SQL for the settings that an administrator has changed; null where there is none."""

_NAMES = frozenset(field.name for field in fields(ApplicationSettings))


async def application_settings(db: Database, defaults: ApplicationSettings) -> ApplicationSettings:
    """Give the current settings: an administrator's, and ``defaults`` for the others."""
    return settings_of(await db.fetchval(f"SELECT {CHANGED}"), defaults)


def settings_of(changed: Mapping[str, object] | None, defaults: ApplicationSettings) -> ApplicationSettings:
    """Make the settings of what ``CHANGED`` gives, and ``defaults`` for the others."""
    # An unknown name was set by a newer version, before a downgrade.
    known = {name: _value(value) for name, value in (changed or {}).items() if name in _NAMES}
    return replace(defaults, **known)


def _value(kept: Any) -> Any:  # noqa: ANN401  # JSON
    return tuple(kept) if isinstance(kept, list) else kept


async def change_settings(db: Database, changes: Mapping[str, object]) -> None:
    """Set some of the settings, all at once; each use after that reads them, in every process."""
    await db.execute(
        """INSERT INTO application_settings (name, value) SELECT * FROM jsonb_each($1)
           ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()""",
        dict(changes),
    )
