"""Documents that are joined of the YAML files of a package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, where PyYAML has it, as it is ten times as fast."""


def read(package: str, name: str) -> dict[str, Any]:
    """Read a file; keys that begin with ``x-`` hold what it uses several times, and are left out."""
    text = files(package).joinpath(name).read_text("utf-8")
    content = yaml.load(text, _LOADER)  # noqa: S506  # a safe one
    return {key: value for key, value in content.items() if not key.startswith("x-")}


def parts(package: str, folder: str) -> Iterator[dict[str, Any]]:
    """Read the files of a folder, in the order of their names."""
    names = sorted(file.name for file in files(package).joinpath(folder).iterdir())
    return (read(package, f"{folder}/{name}") for name in names if name.endswith(".yaml"))


def add(to: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add what is described elsewhere. Raises ValueError for what is described twice."""
    for name, value in more.items():
        if name in to:
            raise ValueError(f"{name} is described twice")
        to[name] = value


def add_sections(to: dict[str, Any], more: Mapping[str, Mapping[str, Any]]) -> None:
    """Add what is described elsewhere, section by section."""
    for section, named in more.items():
        add(to.setdefault(section, {}), named)
