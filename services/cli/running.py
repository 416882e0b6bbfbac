"""Running a command to its result, and printing that."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from services.cli.errors import CommandError
from services.cli.results import Result
from services.cli.terminal import document
from shared.errors import CrossdockError


def run(work: Coroutine[Any, Any, Result], *, json: bool) -> None:
    """Print the result of ``work``; what it raises goes on, once its document is printed."""
    try:
        done = asyncio.run(work)
    except (CrossdockError, OSError) as error:
        if json:
            document(_known(error))
        raise
    if json:
        document(done)
    else:
        done.show()


def _known(error: Exception) -> object:
    """Give what an error knows; at least its sentence, under the key ``error``."""
    known = error.document if isinstance(error, CommandError) else None
    return {"error": str(error)} if known is None else known
