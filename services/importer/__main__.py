"""The process of the importer."""

from __future__ import annotations

from services.importer.wiring import serve
from services.process.start import start


def main() -> None:
    """Read the settings and run the workers until SIGTERM."""
    start(serve)


if __name__ == "__main__":
    main()
