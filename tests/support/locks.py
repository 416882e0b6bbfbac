"""What the lock files pin."""

from __future__ import annotations

import re

from tests.support.dockerfile import ROOT


def pins(lock: str) -> dict[str, str]:
    """Give each pin of a lock, with its hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    return {entry.partition(" ")[0]: entry.partition("--hash")[2] for entry in entries}


def plain(requirement: str) -> str:
    """Give the name in a requirement."""
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None
    return match[0].replace("_", "-").lower()


def names(lock: str) -> set[str]:
    """Give the names of what a lock pins."""
    return {plain(pin) for pin in pins(lock)}
