"""Runs a command and prints its result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from services.cli.errors import CommandError
from services.cli.results import Result
from services.cli.terminal import print_json
from shared.errors import CrossdockError


def run(work: Coroutine[Any, Any, Result | None], *, json: bool) -> None:
    """Run ``work`` and print its result; None is of a command that has printed all as it came.

    For an error, print its document and raise it again.
    """
    try:
        done = asyncio.run(work)
    except (CrossdockError, OSError) as error:
        if json:
            print_json(_known(error))
        raise
    if json and done is not None:
        print_json(done)
    elif done is not None:
        done.show()


def _known(error: CrossdockError | OSError) -> object:
    """Return the document of an error; at least its message and its code."""
    known = error.document if isinstance(error, CommandError) else None
    return {"error": str(error), "error_code": _code(error)} if known is None else known


def _code(error: CrossdockError | OSError) -> str | None:
    """Return the code of an error; an error of the operating system has that of CommandError."""
    if isinstance(error, CommandError):
        return error.error_code
    return error.code if isinstance(error, CrossdockError) else CommandError.code
