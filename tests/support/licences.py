"""The list of what images carry, with licences. ``python -m tests.support.licences`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from services.api.console.vendoring import locked
from tests.support.dockerfile import ROOT
from tests.support.locks import pins

FILE = ROOT / "deploy" / "licences.md"
_HEAD = """# Licences

What the images carry beside Python and Debian, as deploy/runtime.lock pins it, with the licences that the
packages declare. `make licences` writes this table; `make sbom` writes the bill of materials with all hashes.

| package | version | licence |
|---|---|---|
"""
_BROWSERS = """
Browsers load these, as services/api/console/vendor.lock pins them.

| package | version | licence |
|---|---|---|
"""
_CLASSIFIER = re.compile(r"License :: (?:OSI Approved :: )?(.+)")


def table() -> str:
    """Make the file."""
    browsers = ((package.name, package.version, package.licence) for package in locked())
    return _HEAD + _rows(_pinned()) + _BROWSERS + _rows(browsers)


def _rows(packages: Iterable[tuple[str, str, str]]) -> str:
    return "".join(f"| {name} | {version} | {licence} |\n" for name, version, licence in packages)


def _pinned() -> Iterator[tuple[str, str, str]]:
    for pin in pins("deploy/runtime.lock"):
        name, _, version = pin.partition("==")
        try:
            yield name, version, licence_of(distribution(name))
        except PackageNotFoundError:
            continue  # for another system than this


def licence_of(package: Distribution) -> str:
    """Give the SPDX expression that a package declares; else its classifiers, or the words of its field."""
    metadata = package.metadata
    if expression := metadata["License-Expression"]:
        return str(expression)
    found = [match[1] for each in metadata.get_all("Classifier", []) if (match := _CLASSIFIER.match(each))]
    words = str(metadata["License"] or "").strip().partition("\n")[0] or _title(package)
    return " / ".join(found) or words or "not declared"


def _title(package: Distribution) -> str:
    """Give the first line of the file that a package declares its licence to be."""
    for name in package.metadata.get_all("License-File", []):
        if text := package.read_text(f"licenses/{name}"):
            return text.strip().partition("\n")[0]
    return ""


if __name__ == "__main__":
    FILE.write_text(table())
