"""The chart, rendered by Helm for each file of values beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.helm import VALUES, Helm, Manifest, helm_unpacked


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return helm_unpacked(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session", params=VALUES, ids=lambda file: file.stem)
def values(request: pytest.FixtureRequest) -> Path:
    """Each test that asks for this, or for what is made of it, runs for all of them."""
    found: Path = request.param
    return found


@pytest.fixture(scope="session")
def rendered(helm: Helm, values: Path) -> list[Manifest]:
    return helm.render(values)
