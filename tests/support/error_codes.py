"""The table of all error codes, made from the classes. ``python -m tests.support.error_codes`` writes it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import services
import services.api.pages
import shared
from services.api.pages.problems import TABLE
from shared.errors import CrossdockError
from tests.support.modules import import_all

FILE = Path(services.api.pages.__file__).parent / TABLE
_HEAD = """# Error codes

Every error has a code that does not change. This table is made from the classes of errors by `make codes`;
the server shows each row at `/problems/<code>`, which is the `type` of problem documents.

| code | who has to act | does a retry help | meaning |
|---|---|---|---|
"""


def table() -> str:
    """Make the file."""
    rows = sorted(
        f"| `{each.code}` | {each.fault.value} | {_retry(each)} | {_meaning(each)} |" for each in coded()
    )
    return _HEAD + "\n".join(rows) + "\n"


def coded() -> list[type[CrossdockError]]:
    """Give every class that says its own code."""
    import_all(services, shared)
    every: list[type[CrossdockError]] = [CrossdockError, *_below(CrossdockError)]
    return [each for each in every if "code" in vars(each)]


def _below(error: type[CrossdockError]) -> Iterator[type[CrossdockError]]:
    for each in error.__subclasses__():
        if each.__module__.startswith(("services.", "shared.")):
            yield each
            yield from _below(each)


def _retry(error: type[CrossdockError]) -> str:
    return "yes" if error.retryable else "no"


def _meaning(error: type[CrossdockError]) -> str:
    """Give the first paragraph of the docstring."""
    text = inspect.getdoc(error) or ""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split()).replace("|", "/")


if __name__ == "__main__":
    FILE.write_text(table())
