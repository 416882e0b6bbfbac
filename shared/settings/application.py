"""The subset of GitLab's application settings that is supported, with GitLab's names and units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

GITLAB_PROJECT = "gitlab_project"
GIT = "git"
GITHUB = "github"
IMPORT_SOURCES = (
    GITHUB, "bitbucket", "bitbucket_server", "fogbugz", GIT, GITLAB_PROJECT, "gitea", "manifest",
)  # fmt: skip
"""The import sources that GitLab knows; stored as given, whether or not there is such an import here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSettings:
    """Sizes are in MiB and limits in requests a minute; 0 means no limit.

    ``max_import_size`` limits a whole upload, ``max_export_size`` a project's content, and
    ``max_import_remote_file_size`` an archive that is downloaded. ``outbound_local_requests_allowlist`` names
    hosts, with a port or without, addresses and networks to which requests are permitted although they are
    local. An export can be downloaded for ``export_retention`` hours. GitLab has no setting for that, nor for
    ``github_import_limit``, which is 6 there.
    """

    max_import_size: int = 0
    max_export_size: int = 0
    max_import_remote_file_size: int = 10240
    max_decompressed_archive_size: int = 25600
    project_import_limit: int = 6
    github_import_limit: int = 6
    project_export_limit: int = 6
    project_download_export_limit: int = 1
    allow_local_requests_from_web_hooks_and_services: bool = False
    outbound_local_requests_allowlist: tuple[str, ...] = ()
    bulk_import_enabled: bool = False
    import_sources: tuple[str, ...] = (GITLAB_PROJECT, GIT, GITHUB)
    project_export_enabled: bool = True
    export_retention: int = 24

    @property
    def retention(self) -> timedelta:
        """How long an export can be downloaded."""
        return timedelta(hours=self.export_retention)
