"""Joins YAML files of a package into one document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's loader in C if it is installed, because it is ten times as fast."""


def read(package: str, name: str) -> dict[str, Any]:
    """Read a file. Keys that begin with ``x-`` are left out: they only hold shared parts of the file."""
    text = files(package).joinpath(name).read_text("utf-8")
    content = yaml.load(text, _LOADER)  # noqa: S506  # a safe one
    return {key: value for key, value in content.items() if not key.startswith("x-")}


def parts(package: str, folder: str) -> Iterator[dict[str, Any]]:
    """Read the files of a folder, sorted by name."""
    names = sorted(file.name for file in files(package).joinpath(folder).iterdir())
    return (read(package, f"{folder}/{name}") for name in names if name.endswith(".yaml"))


def add(to: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add ``more`` to ``to``. Raises ValueError if a name is in both."""
    for name, value in more.items():
        if name in to:
            raise ValueError(f"{name} is described twice")
        to[name] = value


def add_sections(to: dict[str, Any], more: Mapping[str, Mapping[str, Any]]) -> None:
    """Add ``more`` to ``to``, section by section. Raises ValueError if a name is in both."""
    for section, named in more.items():
        add(to.setdefault(section, {}), named)
