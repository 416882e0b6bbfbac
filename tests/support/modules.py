"""All modules of a package."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType


def import_all(*packages: ModuleType) -> None:
    """Import every module of the packages, those that run a program too: none does when it is imported."""
    for package in packages:
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
