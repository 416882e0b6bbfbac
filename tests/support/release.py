"""The version that this checkout is of."""

from __future__ import annotations

import tomllib

from tests.support.dockerfile import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
