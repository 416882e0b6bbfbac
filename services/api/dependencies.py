"""What handlers work with, put into the application once."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from services.api.observation import RequestObserver, Unobserved
from services.health import Readiness
from shared.broker.base import Broker
from shared.database.pool import Pool
from shared.instance.models import ApplicationSettings
from shared.instance.remote_imports import RemoteImports
from shared.snapshots.matches import Finder
from shared.storage.base import ObjectStore
from shared.tracing.base import OFF, Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """What does not change while the process runs; ``external_url`` has no slash at its end.

    ``defaults`` are the application settings that hold until an administrator changes them.
    """

    external_url: str
    defaults: ApplicationSettings = field(default_factory=ApplicationSettings)
    job_attempts: int = 5
    remote_imports: RemoteImports = field(default_factory=RemoteImports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The ports, the settings' values, the readiness, the observer and the tracer of one application."""

    pool: Pool
    store: ObjectStore
    broker: Broker
    config: ApiConfig
    readiness: Readiness = field(default_factory=Readiness)
    observer: RequestObserver = field(default_factory=Unobserved)
    tracer: Tracer = OFF


DEPENDENCIES = web.AppKey("dependencies", Dependencies)
FINDER = web.AppKey("finder", Finder)
