"""The process of the api."""

from __future__ import annotations

from services.api.wiring import serve
from services.process.start import start


def main() -> None:
    """Read the settings and serve until SIGTERM."""
    start(serve)


if __name__ == "__main__":
    main()
