"""Which projects of a server a command is about."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

import msgspec

from services.cli.client import GitLabClient
from services.cli.errors import RefusedByServer, UsageError
from services.cli.json_api import JsonApi

_MAINTAINER = "40"
_MOST_NAMES = 100_000
"""Lines of a file with the names of projects."""


class ProjectAnswer(msgspec.Struct, frozen=True):
    """A project of a GitLab or a Crossdock, reduced to the fields that the command line uses."""

    id: int
    path_with_namespace: str
    last_activity_at: datetime | None = None
    archived: bool = False
    visibility: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Projects by name (``names``, ids or full paths), all below a ``group``, or all that may be exported.

    ``match`` are patterns of full paths, of which one has to match; ``*`` matches slashes as well.
    """

    names: Sequence[str] = ()
    group: str | None = None
    match: Sequence[str] = ()
    changed_since: datetime | None = None

    def takes(self, project: ProjectAnswer) -> bool:
        """Tell whether the project is one of those of the patterns and of the time."""
        path, changed = project.path_with_namespace, project.last_activity_at
        if self.match and not any(fnmatchcase(path, pattern) for pattern in self.match):
            return False
        return self.changed_since is None or changed is None or changed > self.changed_since


class _User(msgspec.Struct, frozen=True):
    is_admin: bool = False


class ProjectFinder:
    """Finds projects on one server. Every method raises RefusedByServer and ServerUnreachable."""

    def __init__(self, client: GitLabClient) -> None:
        self._json_api = JsonApi(client.session, client.api)

    async def find(self, selection: Selection) -> AsyncGenerator[ProjectAnswer, None]:
        """Give the projects of a selection, each once, in the order of their ids or of their names."""
        seen = set[int]()
        async for project in self._all(selection):
            if project.id not in seen and selection.takes(project):
                seen.add(project.id)
                yield project

    def _all(self, selection: Selection) -> AsyncIterator[ProjectAnswer]:
        if selection.names:
            return self._named(selection.names)
        if selection.group is not None:
            return self._of_group(selection.group)
        return self._exportable(selection.changed_since)

    async def _named(self, names: Sequence[str]) -> AsyncGenerator[ProjectAnswer, None]:
        for name in names:
            path = f"/projects/{quote(name.strip('/'), safe='')}"
            try:
                yield (await self._json_api.call("GET", path, ProjectAnswer)).body
            except RefusedByServer as error:
                raise error.with_hint(f"{name!r}, and nothing was done") from None

    def _of_group(self, group: str) -> AsyncIterator[ProjectAnswer]:
        path = f"/groups/{quote(group.strip('/'), safe='')}/projects"
        query = {"include_subgroups": "true", "with_shared": "false", "order_by": "id", "sort": "asc"}
        return self._json_api.items(path, ProjectAnswer, query=query)

    async def _exportable(self, changed_since: datetime | None) -> AsyncGenerator[ProjectAnswer, None]:
        """Give all projects to an administrator, and to others those that they maintain.

        By keys, not pages: a GitLab gives no more than 50,000 by pages.
        """
        user = (await self._json_api.call("GET", "/user", _User)).body
        query = {"order_by": "id", "sort": "asc", "pagination": "keyset"}
        query |= {} if user.is_admin else {"membership": "true", "min_access_level": _MAINTAINER}
        if changed_since is not None:
            query["last_activity_after"] = changed_since.isoformat()
        async for project in self._json_api.items("/projects", ProjectAnswer, query=query):
            yield project


def read_names(file: Path) -> list[str]:
    """Read ids or full paths of projects, one a line; ``#`` begins a comment. Raises UsageError."""
    try:
        with file.open(encoding="utf-8") as lines:
            names = [name for line in lines if (name := line.partition("#")[0].strip())]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the projects of {file}: {error}") from None
    if not names:
        raise UsageError(f"{file} names no project")
    if len(names) > _MOST_NAMES:
        raise UsageError(f"{file} names more than {_MOST_NAMES} projects")
    return names
