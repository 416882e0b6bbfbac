from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina

from services.cli import polling
from services.cli.http import ATTEMPTS


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many attempts as ever, and no time between them."""
    monkeypatch.setattr(polling, "FIRST_PAUSE", polling.FIRST_PAUSE * 0)
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield
