"""What hatch does before it builds: it has the browser files of others fetched, which are not in git."""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WITHOUT = "CROSSDOCK_BUILD_WITHOUT_CONSOLE"


class BrowserFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Fetches them. No wheel and no archive of the sources is built without, unless that is asked for."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fetch; an editable install goes on without."""
        vendoring = _load(Path(self.root, "services", "api", "console", "vendoring.py"))
        if os.environ.get(WITHOUT) == "yes":
            return
        try:
            vendoring.fetch()
        except vendoring.UnavailableError as error:
            if version != "editable":
                sys.exit(
                    f"The browser files are not to be had: {error}. To build without them, set {WITHOUT}=yes."
                )
            sys.stderr.write(f"{vendoring.WORDS}: {error}\n")


def _load(file: Path) -> Any:  # noqa: ANN401  # a module
    """Import a file by itself: the package that it is of is not installed where this runs."""
    spec = spec_from_file_location("vendoring", file)
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = sys.modules[spec.name] = module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
