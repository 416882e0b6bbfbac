"""The application settings of the environment, which are the defaults of an administrator's."""

from __future__ import annotations

from shared.settings.application import GIT, GITHUB, GITLAB_PROJECT, ApplicationSettings
from shared.settings.environment import Settings


def default_settings(settings: Settings) -> ApplicationSettings:
    """Give the application settings of the environment."""
    allowlist = (each.strip() for each in settings.outbound_local_requests_allowlist.split(","))
    return ApplicationSettings(
        max_import_size=settings.max_import_size,
        max_export_size=settings.max_export_size,
        max_import_remote_file_size=settings.max_import_remote_file_size,
        max_decompressed_archive_size=settings.max_decompressed_archive_size,
        project_import_limit=settings.project_import_limit,
        github_import_limit=settings.github_import_limit,
        project_export_limit=settings.project_export_limit,
        project_download_export_limit=settings.project_download_export_limit,
        allow_local_requests_from_web_hooks_and_services=(
            settings.allow_local_requests_from_web_hooks_and_services
        ),
        outbound_local_requests_allowlist=tuple(filter(None, allowlist)),
        bulk_import_enabled=settings.bulk_import_enabled,
        import_sources=_import_sources(settings),
        project_export_enabled=settings.project_export_enabled,
        export_retention=settings.export_retention,
    )


def _import_sources(settings: Settings) -> tuple[str, ...]:
    enabled = {
        GITLAB_PROJECT: settings.gitlab_project_import_enabled,
        GIT: settings.git_import_enabled,
        GITHUB: settings.github_import_enabled,
    }
    return tuple(name for name, is_enabled in enabled.items() if is_enabled)
