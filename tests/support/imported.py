"""Projects of a running API whose content came by a real import."""

from __future__ import annotations

import hashlib
from struct import pack

from shared.accounts.models import User
from shared.projects.models import Project
from tests.support.api import Api
from tests.support.projects import Dock, project


async def imported(api: Api, owner: User, packed: bytes | None = None, *, path: str = "project") -> Project:
    """A new project of the owner with what is in the archive, a minimal one where none is given."""
    made = await api.project(owner, path)
    dock = Dock(api.pool, api.folder)
    done = await dock.run_import(packed or project(), project_id=made.id, user_id=owner.id)
    assert done.error is None
    return made


def bundle_of(**references: str) -> bytes:
    """A git bundle that lists references: names have ``__`` for ``/``, values are object ids."""
    listed = "".join(f"{oid} {name.replace('__', '/')}\n" for name, oid in references.items())
    body = pack(">4sII", b"PACK", 2, 1)
    return f"# v2 git bundle\n{listed}\n".encode() + body + hashlib.sha1(body).digest()  # noqa: S324  # git's
