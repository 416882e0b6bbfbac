"""What handlers work with, put into the application once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from services.api.http.admission import Turns
from services.api.http.observation import RequestObserver, Unobserved
from services.process.health import Readiness
from shared.archive.limits import Limits
from shared.broker.base import Broker
from shared.database.pool import Pool
from shared.outbound.remote_imports import RemoteImports
from shared.records.finder import Finder
from shared.settings.application import ApplicationSettings
from shared.storage.base import ObjectStore
from shared.tracing.base import OFF, Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """What does not change while the process runs; ``external_url`` has no slash at its end.

    ``broker_prefix`` begins the names of what others use of the broker. ``defaults`` are the application
    settings that hold until an administrator changes them. ``limits`` are those of archives, and of content
    that comes without one, all but the bytes, which are among those; such content may lie uncommitted for
    ``open_snapshot_retention``. ``uploads_at_once`` requests may send content; each may hold a part of S3's.
    ``downloads_at_once`` may be read; each keeps a connection to the storage.
    """

    external_url: str
    broker_prefix: str = "crossdock."
    defaults: ApplicationSettings = field(default_factory=ApplicationSettings)
    job_attempts: int = 5
    longest_stream: timedelta = timedelta(minutes=15)
    remote_imports: RemoteImports = field(default_factory=RemoteImports)
    limits: Limits = field(default_factory=Limits)
    open_snapshot_retention: timedelta = timedelta(days=1)
    uploads_at_once: int = 32
    downloads_at_once: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The ports, the settings' values, the readiness, the observer and the tracer of one application.

    ``documents`` are turns of whoever holds a whole document of a snapshot in memory.
    """

    pool: Pool
    store: ObjectStore
    broker: Broker
    config: ApiConfig
    readiness: Readiness = field(default_factory=Readiness)
    observer: RequestObserver = field(default_factory=Unobserved)
    tracer: Tracer = OFF
    documents: Turns = field(default_factory=Turns)


DEPENDENCIES = web.AppKey("dependencies", Dependencies)
FINDER = web.AppKey("finder", Finder)
