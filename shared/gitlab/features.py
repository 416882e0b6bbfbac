"""The features of a project, as ``project_feature`` of an archive has them: who may use each one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum

RELATION = "project_feature"
"""The relation of one record that has the levels."""


class FeatureLevel(IntEnum):
    """Who may use a feature: nobody, members, whoever sees the project; PUBLIC is ENABLED here."""

    DISABLED = 0
    PRIVATE = 10
    ENABLED = 20
    PUBLIC = 30


_WORDS = {level.name.lower(): level for level in FeatureLevel}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFeatures:
    """The levels of the features on which it depends what of a project is shown."""

    issues: FeatureLevel = FeatureLevel.ENABLED
    merge_requests: FeatureLevel = FeatureLevel.ENABLED
    releases: FeatureLevel = FeatureLevel.ENABLED
    repository: FeatureLevel = FeatureLevel.ENABLED
    snippets: FeatureLevel = FeatureLevel.ENABLED

    @classmethod
    def of(cls, read: Callable[[str], object]) -> ProjectFeatures:
        """Make the features from their levels by name, which ``read`` gives; None is GitLab's ENABLED.

        A value that is no level counts as PRIVATE: what its author meant is not known.
        """
        return cls(**{name: _level(read(name)) for name in NAMES})

    @property
    def levels(self) -> dict[str, int]:
        """The levels by name, as numbers."""
        return {name: int(getattr(self, name)) for name in NAMES}

    def overridden(self, overrides: Mapping[str, object]) -> ProjectFeatures:
        """Apply the overridden attributes of a project.

        ``issues_access_level`` is a word, ``issues_enabled`` a boolean, which counts where there is no word.
        """
        return ProjectFeatures.of(lambda name: _overridden(overrides, name, getattr(self, name)))


NAMES = tuple(field.name for field in fields(ProjectFeatures))
"""The names of the features."""

CLOSED = ProjectFeatures(**dict.fromkeys(NAMES, FeatureLevel.DISABLED))
"""All features disabled."""


def attribute(name: str) -> str:
    """Give the name of the attribute in which archives have the level of a feature."""
    return f"{name}_access_level"


def _level(value: object) -> FeatureLevel:
    if value is None:
        return FeatureLevel.ENABLED
    return next((level for level in FeatureLevel if level == value), FeatureLevel.PRIVATE)


def _overridden(overrides: Mapping[str, object], name: str, level: FeatureLevel) -> object:
    word, enabled = overrides.get(attribute(name)), overrides.get(f"{name}_enabled")
    if isinstance(word, str):
        return _WORDS.get(word, FeatureLevel.PRIVATE)
    if isinstance(enabled, bool):
        return FeatureLevel.ENABLED if enabled else FeatureLevel.DISABLED
    return level
