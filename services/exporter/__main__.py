"""The process of the exporter."""

from __future__ import annotations

from services.exporter.wiring import serve
from services.process.start import start


def main() -> None:
    """Read the settings and run the worker until SIGTERM."""
    start(serve)


if __name__ == "__main__":
    main()
