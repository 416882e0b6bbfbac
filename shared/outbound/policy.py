"""The policy for requests to addresses that users give, made from the current application settings."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from shared.database.pool import Pool
from shared.remote.addresses import Policy
from shared.remote.client import Deadlines, RemoteClient
from shared.remote.pace import LeastRate
from shared.remote.resolver import SystemResolver
from shared.settings.application import ApplicationSettings
from shared.settings.defaults import default_settings
from shared.settings.environment import Settings
from shared.settings.store import application_settings

SCHEMES = ("http", "https")
"""The schemes that uploads and webhooks may use."""


def outbound_policy(settings: ApplicationSettings, *, schemes: Sequence[str] = SCHEMES) -> Policy:
    """Make the policy, as GitLab has it for services of an instance."""
    return Policy(
        schemes=tuple(schemes),
        allow_local=settings.allow_local_requests_from_web_hooks_and_services,
        allowed=settings.outbound_local_requests_allowlist,
    )


def outbound_tls(settings: Settings) -> ssl.SSLContext | None:
    """Make a context that trusts ``remote_ca_file`` besides the system's certificates.

    None without a file.
    """
    if settings.remote_ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(settings.remote_ca_file)
    return context


def outbound_deadlines(settings: Settings) -> Deadlines:
    """Read how slow servers elsewhere may be."""
    grace = timedelta(seconds=settings.remote_grace_seconds)
    return Deadlines(
        answer=timedelta(seconds=settings.remote_answer_seconds),
        least=LeastRate(rate=settings.remote_least_rate, grace=grace),
    )


def outbound_clients(pool: Pool, settings: Settings) -> Callable[[], Awaitable[RemoteClient]]:
    """Give a function that makes a client by the settings at the time of its call."""
    defaults, tls = default_settings(settings), outbound_tls(settings)
    deadlines = outbound_deadlines(settings)

    async def connect() -> RemoteClient:
        now = await application_settings(pool, defaults)
        return RemoteClient(outbound_policy(now), SystemResolver(), tls=tls, deadlines=deadlines)

    return connect
