"""What a server takes: the limits of a Crossdock, or of a GitLab that tells them."""

from __future__ import annotations

from math import ceil

import msgspec

from services.cli.client import GitLabClient
from services.cli.errors import RefusedByServer
from services.cli.formats import counted
from services.cli.json_api import JsonApi

_MIB = 1024 * 1024
_SOURCE = "gitlab_project"
"""GitLab's name of imports of archives, among the sources that are switched on."""


class TargetLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of imports for this user; null where there is none, or where the server tells none (``known``).

    ``upload_size`` is in bytes, ``projects_left`` how many projects the user may still make.
    """

    known: bool = False
    enabled: bool = True
    upload_size: int | None = None
    imports_per_minute: int | None = None
    projects_left: int | None = None

    def fits(self, size: int | None) -> bool | None:
        """Tell whether an archive of so many bytes at most is taken; None where that is not known."""
        if not self.known or size is None:
            return None
        return self.upload_size is None or size <= self.upload_size

    def warnings(self, projects: int) -> list[str]:
        """Say what speaks against importing so many projects, and how long it takes at least."""
        if not self.known:
            return ["the target does not tell its limits: GitLab tells them to administrators"]
        told = [] if self.enabled else ["the target takes no imports of archives: they are switched off"]
        if self.projects_left is not None and self.projects_left < projects:
            left = counted(self.projects_left, "more project")
            told.append(f"you may make {left} at the target, and {projects} come")
        if self.imports_per_minute and projects > self.imports_per_minute:
            minutes = ceil(projects / self.imports_per_minute) - 1
            rate = counted(self.imports_per_minute, "import")
            told.append(f"the target takes {rate} a minute: that takes {counted(minutes, 'minute')}")
        return told


class _Rate(msgspec.Struct, frozen=True):
    per_minute: int


class _Imports(msgspec.Struct, frozen=True):
    enabled: bool
    upload_size: int | None
    rate: _Rate | None


class _Projects(msgspec.Struct, frozen=True):
    limit: int | None
    used: int


class _CrossdockLimits(msgspec.Struct, frozen=True):
    imports: _Imports
    projects: _Projects


class _GitLabSettings(msgspec.Struct, frozen=True):
    max_import_size: int = 0
    import_sources: list[str] | None = None
    project_import_limit: int = 0


async def find_limits(client: GitLabClient) -> TargetLimits:
    """Ask a server for its limits. Raises RefusedByServer but where the user may not see them."""
    if await client.is_crossdock():
        api = JsonApi(client.session, client.api.removesuffix("/api/v4") + "/api/crossdock/v1")
        return _of_crossdock((await api.call("GET", "/limits", _CrossdockLimits)).body)
    try:
        api = JsonApi(client.session, client.api)
        return _of_gitlab((await api.call("GET", "/application/settings", _GitLabSettings)).body)
    except RefusedByServer as error:
        if error.status not in {401, 403, 404}:
            raise
        return TargetLimits()


def _of_crossdock(found: _CrossdockLimits) -> TargetLimits:
    imports, projects = found.imports, found.projects
    return TargetLimits(
        known=True,
        enabled=imports.enabled,
        upload_size=imports.upload_size,
        imports_per_minute=None if imports.rate is None else imports.rate.per_minute,
        projects_left=None if projects.limit is None else max(0, projects.limit - projects.used),
    )


def _of_gitlab(found: _GitLabSettings) -> TargetLimits:
    """Make the limits of GitLab's settings, in which 0 is no limit."""
    return TargetLimits(
        known=True,
        enabled=found.import_sources is None or _SOURCE in found.import_sources,
        upload_size=found.max_import_size * _MIB or None,
        imports_per_minute=found.project_import_limit or None,
    )
