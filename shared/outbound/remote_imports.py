"""Imports from remote addresses: their configuration, and the limit of an archive's size."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from shared.errors import CrossdockError, Fault
from shared.outbound.policy import outbound_deadlines, outbound_policy, outbound_tls
from shared.remote.client import Deadlines, RemoteClient
from shared.remote.resolver import Resolver, SystemResolver
from shared.settings.application import ApplicationSettings
from shared.settings.environment import Settings

_UNITS = ("MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_MIB = 1024 * 1024
_THREE_DIGITS = 100


class RemoteTooLarge(CrossdockError):
    """The archive has more bytes than ``max_import_remote_file_size`` MiB (GitLab's text)."""

    code = "remote_too_large"
    fault = Fault.CLIENT

    def __init__(self, limit: int) -> None:
        super().__init__(f"Content length is too big (should be at most {_readable(limit)})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteImportPolicy:
    """What the environment says of remote imports; the application settings are read for each of them.

    Certificates are verified by ``tls``, or by the system's store. ``s3_endpoint_url`` is None for AWS.
    """

    schemes: tuple[str, ...] = ("https",)
    resolver: Resolver = field(default_factory=SystemResolver)
    tls: ssl.SSLContext | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    s3_endpoint_url: str | None = None

    def client(self, settings: ApplicationSettings) -> RemoteClient:
        """Make a client that sends the requests which ``settings`` permit."""
        policy = outbound_policy(settings, schemes=self.schemes)
        return RemoteClient(policy, self.resolver, tls=self.tls, deadlines=self.deadlines)


def remote_import_policy(settings: Settings) -> RemoteImportPolicy:
    """Read the environment."""
    return RemoteImportPolicy(
        schemes=("https", "http") if settings.allow_http_remote_imports else ("https",),
        tls=outbound_tls(settings),
        deadlines=outbound_deadlines(settings),
        s3_endpoint_url=settings.remote_s3_endpoint_url,
    )


def check_size(size: int, settings: ApplicationSettings) -> None:
    """Raise RemoteTooLarge where ``size`` bytes are over the limit of ``settings``."""
    limit = settings.max_import_remote_file_size
    if limit and size > limit * _MIB:
        raise RemoteTooLarge(limit)


def _readable(mebibytes: int) -> str:
    """Write a size as Rails does: three digits, and no zeros after the point."""
    size, units = float(mebibytes), list(_UNITS)
    while size >= _STEP and len(units) > 1:
        size /= _STEP
        del units[0]
    return f"{size:.0f} {units[0]}" if size >= _THREE_DIGITS else f"{size:.3g} {units[0]}"
