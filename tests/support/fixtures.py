"""Real and hostile archives, which lie beside the checkout; tests skip, saying so, where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3] / "shared" / "fixtures"


def archive(name: str) -> Path:
    """Give the path of ``real/sample`` and the like, or skip the test."""
    found = sorted(ROOT.glob(f"{name}*.tar.gz"), key=lambda path: len(path.name))
    if not found:
        pytest.skip(f"no archive {name} in {ROOT.name} beside the checkout")
    return found[0]
