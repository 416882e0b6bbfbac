"""Prints the figures of the code, and fails where one is worse than it may be."""

from __future__ import annotations

import sys

from tests.figures.figures import Figure, figures


def _print(figure: Figure) -> None:
    limit = "" if figure.limit is None else f"at most {figure.limit}"
    print(f"{figure.value:>5}  {figure.name:<52}{limit}".rstrip())
    for remark in figure.remarks:
        print(f"       {remark}")


def main() -> int:
    """Print all figures and give the exit code."""
    found = figures()
    for figure in found:
        _print(figure)
    return 0 if all(figure.is_within_its_limit for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
