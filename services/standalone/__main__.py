"""The standalone process: api, exporter and importer together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from services.process.start import start
from services.standalone.wiring import serve


def main() -> None:
    """Read the settings and serve until SIGTERM. The data are in the working directory."""
    start(partial(serve, data=Path("crossdock-data").absolute()))


if __name__ == "__main__":
    main()
