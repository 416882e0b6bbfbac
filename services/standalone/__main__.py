"""Standalone as a process: api, exporter and importer together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.standalone.wiring import serve
from shared.logs import configure
from shared.settings import Settings


def main() -> None:
    """Read the settings, and serve until SIGTERM; data go below the working directory."""
    settings = Settings()
    configure(settings.log_format, settings.log_level)
    asyncio.run(serve(settings, data=Path("crossdock-data")))


if __name__ == "__main__":
    main()
