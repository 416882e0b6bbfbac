"""What handlers work with, put into the application once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from shared.archive.limits import Limits
from shared.broker.base import Broker
from shared.database.pool import Pool
from shared.instance.models import ApplicationSettings
from shared.instance.remote_imports import RemoteImports
from shared.snapshots.matches import Finder
from shared.storage.base import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """What does not change while the process runs; ``external_url`` has no slash at its end.

    ``defaults`` are the application settings that hold until an administrator changes them; of
    ``archive_limits`` all but the bytes, which are among those.
    """

    external_url: str
    defaults: ApplicationSettings = field(default_factory=ApplicationSettings)
    job_attempts: int = 5
    remote_imports: RemoteImports = field(default_factory=RemoteImports)
    archive_limits: Limits = field(default_factory=Limits)


class Readiness:
    """Whether requests should be sent here: until ``drain``."""

    def __init__(self) -> None:
        self.draining = False

    def drain(self) -> None:
        """Answer 503 from now on, so that no new requests are sent here."""
        self.draining = True


Check = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The ports, the settings' values and the readiness of one application."""

    pool: Pool
    store: ObjectStore
    broker: Broker
    config: ApiConfig
    readiness: Readiness = field(default_factory=Readiness)


DEPENDENCIES = web.AppKey("dependencies", Dependencies)
FINDER = web.AppKey("finder", Finder)
