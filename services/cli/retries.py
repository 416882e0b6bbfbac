"""How often the requests of a command are repeated."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Annotated, TypeAlias

import typer

ATTEMPTS = 8
"""Attempts at one request: about half a minute in all, if the server sends no Retry-After."""

retries: ContextVar[int] = ContextVar("retries", default=ATTEMPTS - 1)
"""How often a request that failed is repeated, of all servers of the command."""

Retries: TypeAlias = Annotated[
    int,
    typer.Option(
        "--retries",
        envvar="CROSSDOCK_RETRIES",
        min=0,
        max=100,
        help="How often to repeat a request that failed and may be repeated.",
    ),
]
