from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from services.cli import polling
from services.cli.retries import ATTEMPTS


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many attempts as ever, and no time between them."""
    monkeypatch.setattr(polling, "FIRST_PAUSE", polling.FIRST_PAUSE * 0)
    with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
        yield


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's proxies are, servers of tests are asked directly."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("CROSSDOCK_TOKEN_FILE", raising=False)


@pytest.fixture(autouse=True)
def _no_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the profiles of whoever runs the tests out of them."""
    monkeypatch.setenv("CROSSDOCK_CONFIG", str(tmp_path / "no-profiles.toml"))
