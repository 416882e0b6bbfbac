"""Counts the statements that Postgres executes, by its own log, which needs no extension."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres import PostgresServer, binaries

LOG_PREFIX = "log_line_prefix=%d "
"""The setting that the server needs: each line of its log begins with the name of the database."""


@dataclass(slots=True)
class Count:
    """How many statements a database executed in a block; read it after the block."""

    statements: int = 0


@contextmanager
def counted(server: PostgresServer, database: str) -> Iterator[Count]:
    """Count the statements of a database in a block. Logging them costs some percent of their time."""
    count = Count()
    set_server(server, "log_statement", "all")
    with server.log.open("rb") as log:
        log.seek(0, 2)
        try:
            yield count
        finally:
            set_server(server, "log_statement", "none")
        count.statements = count_in(log.read().decode(errors="replace"), database)


def count_in(log: str, database: str) -> int:
    """Count the statements of a database in a piece of the log, whether prepared, simple or of a transaction.

    Further lines of a statement begin with a tab, and are none of their own.
    """
    return len(re.findall(rf"^{re.escape(database)} LOG:  (?:statement|execute [^:]+):", log, re.MULTILINE))


def set_server(server: PostgresServer, name: str, value: str) -> None:
    """Change a setting of the running server, for all sessions."""
    psql(server.url(), f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")


def psql(url: str, *statements: str) -> str:
    """Execute statements in the database at a URL, each in a transaction of its own; give what they print.

    Raises RuntimeError with what the server says.
    """
    words = [word for statement in statements for word in ("-c", statement)]
    command = [str(program()), "-XqAt", "-v", "ON_ERROR_STOP=1", *words, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout.strip()


def program() -> Path:
    """Where psql is: beside the server's own binaries."""
    return binaries() / "psql"
