"""The exporter as a process of its own."""

from __future__ import annotations

import asyncio

from services.exporter.wiring import serve
from shared.logs import configure
from shared.settings import Settings


def main() -> None:
    """Read the settings, and work until SIGTERM."""
    settings = Settings()
    configure(settings.log_format, settings.log_level)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
