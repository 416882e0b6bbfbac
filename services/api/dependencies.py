"""What handlers work with, put into the application once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from shared.broker.base import Broker
from shared.database.pool import Pool
from shared.storage.base import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """The values of GitLab's settings; limits in requests a minute, 0 = off.

    ``max_import_size`` in bytes, of the whole request body, 0 = unlimited. ``external_url`` has no
    slash at its end.
    """

    external_url: str
    max_import_size: int = 0
    project_import_limit: int = 6
    project_export_limit: int = 6
    project_download_export_limit: int = 1
    import_enabled: bool = True
    export_enabled: bool = True
    job_attempts: int = 5


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
