from __future__ import annotations

import pytest

from shared.gitlab.features import FeatureLevel, ProjectFeatures

ISSUES_OFF = ProjectFeatures(issues=FeatureLevel.DISABLED)


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (None, FeatureLevel.ENABLED), (0, FeatureLevel.DISABLED), (10, FeatureLevel.PRIVATE),
        (20, FeatureLevel.ENABLED), (30, FeatureLevel.PUBLIC), (15, FeatureLevel.PRIVATE),
        (-1, FeatureLevel.PRIVATE), ("20", FeatureLevel.PRIVATE), ([], FeatureLevel.PRIVATE),
    ],
)  # fmt: skip
def test_what_is_no_level_is_for_members(value: object, level: FeatureLevel) -> None:
    assert ProjectFeatures.of({"issues": value}.get) == ProjectFeatures(issues=level)


def test_levels_are_read_as_they_were_written() -> None:
    features = ProjectFeatures(issues=FeatureLevel.PRIVATE, repository=FeatureLevel.DISABLED)
    assert ProjectFeatures.of(features.levels.get) == features


@pytest.mark.parametrize(
    ("overrides", "level"),
    [
        ({}, FeatureLevel.DISABLED),
        ({"issues_access_level": "private"}, FeatureLevel.PRIVATE),
        ({"issues_access_level": "enabled", "issues_enabled": False}, FeatureLevel.ENABLED),
        ({"issues_access_level": "unheard of"}, FeatureLevel.PRIVATE),
        ({"issues_enabled": True}, FeatureLevel.ENABLED),
        ({"issues_enabled": False}, FeatureLevel.DISABLED),
        ({"wiki_access_level": "public"}, FeatureLevel.DISABLED),
    ],
)
def test_an_override_wins_over_the_archive(overrides: dict[str, object], level: FeatureLevel) -> None:
    assert ISSUES_OFF.overridden(overrides) == ProjectFeatures(issues=level)
