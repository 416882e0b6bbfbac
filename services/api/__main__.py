"""The api as a process of its own."""

from __future__ import annotations

from services.api.wiring import serve
from services.process.start import start


def main() -> None:
    """Read the settings, and answer until SIGTERM."""
    start(serve)


if __name__ == "__main__":
    main()
