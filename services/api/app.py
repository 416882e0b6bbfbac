"""The aiohttp application: routes, middleware and use cases."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRoute

from services.api.console.site import CONSOLE, make_console
from services.api.crossdock.bounds import BOUNDS, Bounds
from services.api.crossdock.dead_letters import DEAD_LETTERS
from services.api.crossdock.event_stream import LONGEST_STREAM
from services.api.crossdock.problems import render_problem
from services.api.crossdock.session import DATA_FOLDER
from services.api.gitlab.errors import render_gitlab_error
from services.api.gitlab.health import HEALTH, Health
from services.api.gitlab.upload_forms import content_digest
from services.api.http import rate_limit_headers
from services.api.http.body_time import BODY_LIMITS, BodyLimits
from services.api.http.client import TRUSTED_PROXIES
from services.api.http.download_places import DOWNLOADS, DownloadPlaces
from services.api.http.endpoint import ENDPOINTS
from services.api.http.metrics import RequestMetrics
from services.api.http.places import PLACES, PlaceNumbers, make_places
from services.api.http.responses import EXTERNAL_URL, SECURITY_HEADERS, add_common_headers, security_headers
from services.api.middleware.entity_tags import tag_answers
from services.api.middleware.errors import RENDERERS, refuse_malformed, render_errors
from services.api.middleware.idempotency import DIGEST_UPLOAD, KEYS, KEYS_LIMIT, LIFE, answer_once
from services.api.middleware.identify import identify_caller
from services.api.middleware.limit_uploads import limit_uploads
from services.api.middleware.log import METRICS, log_requests
from services.api.middleware.outages import answer_outages
from services.api.middleware.tracing import TRACER, trace_requests
from services.api.middleware.unknown_parameters import QUERY_NAMES, refuse_unknown_parameters
from services.api.pages.documentation import DOCUMENTATION, make_documentation
from services.api.pages.home import render_unknown
from services.api.pages.openapi.document import openapi_document
from services.api.pages.openapi.query_names import query_names
from services.api.queue.masking import without_secrets
from services.api.routes import ROUTES, Route
from services.api.use_cases import USE_CASES, UseCaseConfig, make_use_cases
from services.listener.at_work import mark_at_work, spare_event_streams
from services.listener.connections import ConnectionLimits, Connections
from services.listener.metrics import ConnectionMetrics
from services.listener.peers import TrustedProxies
from services.listener.site import CONNECTIONS, keep_ticking
from services.process.health import Readiness
from shared.assembly.blocks import make_block_reader
from shared.beside import beside
from shared.broker.base import Broker
from shared.database.leadership import SessionFactory
from shared.database.pool import Pool
from shared.idempotency.life import LifeSign
from shared.jobs.announcer import Announcer
from shared.logs import quiet_logger
from shared.metrics.blocks import BlockMetrics
from shared.sealing.sealer import Sealer
from shared.storage.base import ObjectStore
from shared.tracing.base import OFF, Tracer
from shared.usecases.dead_letters import DeadLetters

_OWN_API = re.compile("/+api/+crossdock/")
"""Several slashes in a row count as one, as in the routes."""

_ERRORS = (
    (_OWN_API, render_problem),
    (re.compile("/+api(/|$)"), render_gitlab_error),
    (re.compile(""), render_unknown),
)

_LINGERING = 2.0
_LAST_WAKE_UPS = timedelta(seconds=1)
"""How long a process that ends waits for the broker to take its wake-ups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """The configuration of the application.

    ``external_url`` has no slash at its end. The names of the broker's public exchanges begin with
    ``broker_prefix``. An event stream ends after ``longest_stream``. A user has at most about
    ``idempotency_keys_limit`` keys at a time. With ``hsts``, browsers are told to use https alone that
    long. With ``has_console``, browsers get the web console. A standalone has its ``data_folder``.
    ``bounds`` are what the limits show beside what is in the rest. Up to ``wake_ups`` wake-ups of workers
    are published at a time, each for ``wake_up_patience`` at most.
    """

    external_url: str
    broker_prefix: str = "crossdock."
    longest_stream: timedelta = timedelta(minutes=15)
    idempotency_keys_limit: int = 10_000
    has_console: bool = True
    data_folder: Path | None = None
    places: PlaceNumbers = field(default_factory=PlaceNumbers)
    bodies: BodyLimits = field(default_factory=BodyLimits)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    trusted_proxies: TrustedProxies = field(default_factory=TrustedProxies)
    hsts: timedelta = timedelta(0)
    bounds: Bounds = field(default_factory=Bounds)
    wake_ups: int = 1000
    wake_up_patience: timedelta = timedelta(seconds=10)
    use_cases: UseCaseConfig = field(default_factory=UseCaseConfig)


@dataclass(frozen=True, slots=True)
class ApiMetrics:
    """The metrics of requests, of their connections, and of the stored bytes that are sent."""

    requests: RequestMetrics = field(default_factory=RequestMetrics)
    connections: ConnectionMetrics = field(default_factory=ConnectionMetrics)
    blocks: BlockMetrics = field(default_factory=BlockMetrics)


def make_app(
    pool: Pool,
    store: ObjectStore,
    broker: Broker,
    *,
    sealer: Sealer,
    config: ApiConfig,
    readiness: Readiness | None = None,
    metrics: ApiMetrics | None = None,
    tracer: Tracer = OFF,
) -> web.Application:
    """Make the application. The ports must stay open until it has ended.

    aiohttp's limit for bodies is off, because each reader of a body has its own limit.
    """
    metrics = metrics or ApiMetrics()
    on_quota = partial(rate_limit_headers.remember_quota, metrics.requests)
    middlewares = [mark_at_work, trace_requests, log_requests, tag_answers, render_errors, answer_outages,
                   refuse_malformed, identify_caller, refuse_unknown_parameters, limit_uploads,
                   answer_once]  # fmt: skip
    app = web.Application(middlewares=middlewares, client_max_size=0)
    app[EXTERNAL_URL], app[DATA_FOLDER] = config.external_url, config.data_folder
    app[PLACES], app[LONGEST_STREAM] = make_places(config.places), config.longest_stream
    app[USE_CASES] = make_use_cases(
        pool,
        store,
        _announce_beside(app, broker, config),
        blocks=make_block_reader(pool, store, metrics.blocks),
        sealer=sealer,
        config=config.use_cases,
        places=app[PLACES],
        on_quota=on_quota,
    )
    app[DEAD_LETTERS] = DeadLetters(broker, without_secrets=without_secrets)
    app.on_shutdown.append(_break_off_uploads)
    app[HEALTH] = Health(pool, store, broker, readiness or Readiness())
    app[DOWNLOADS] = DownloadPlaces(app[PLACES], most=config.places.connections_each)
    app[BODY_LIMITS], app[TRUSTED_PROXIES] = config.bodies, config.trusted_proxies
    app[SECURITY_HEADERS] = security_headers(hsts=config.hsts)
    app[CONNECTIONS] = _make_connections(config, metrics.connections)
    app.cleanup_ctx.append(keep_ticking)
    app[KEYS], app[KEYS_LIMIT], app[BOUNDS] = pool, config.idempotency_keys_limit, config.bounds
    app[DIGEST_UPLOAD], app[LIFE] = content_digest, LifeSign()
    app[METRICS], app[TRACER] = metrics.requests, tracer
    app[RENDERERS] = _ERRORS
    app[DOCUMENTATION] = make_documentation(config.external_url, broker_prefix=config.broker_prefix)
    app[CONSOLE] = make_console(config.external_url, is_on=config.has_console)
    app.on_response_prepare.append(add_common_headers)
    app.on_response_prepare.append(rate_limit_headers.add_headers)
    app.on_response_prepare.append(partial(spare_event_streams, longest=config.longest_stream))
    added = {made: route for route in ROUTES for made in _add_route(app, route)}
    app[ENDPOINTS] = {made: route.endpoint for made, route in added.items()}
    app[QUERY_NAMES] = _query_names(added)
    return app


def _query_names(added: Mapping[AbstractRoute, Route]) -> dict[AbstractRoute, frozenset[str]]:
    """Return the parameters of the query that our own API knows, as its document describes them."""
    document = openapi_document("")
    known = {
        made: query_names(document, route.method, route.address)
        for made, route in added.items()
        if _OWN_API.match(route.address)
    }
    return {made: names for made, names in known.items() if names is not None}


def _announce_beside(app: web.Application, broker: Broker, config: ApiConfig) -> Announcer:
    """Make what publishes wake-ups beside the requests, and have it end with the application."""
    announcer = Announcer(broker, most=config.wake_ups, patience=config.wake_up_patience)

    async def close(_app: web.Application) -> None:
        await announcer.close(within=_LAST_WAKE_UPS)

    app.on_cleanup.append(close)
    return announcer


async def _break_off_uploads(app: web.Application) -> None:
    """Keep what uploads have sent so far: their clients go on at another process, or at the next one."""
    app[USE_CASES].resumable_uploads.break_off()


def show_life(app: web.Application, connect: SessionFactory) -> None:
    """Have other processes see when this one dies; without that, it holds its keys for a minute longer."""

    async def keep_shown(_app: web.Application) -> AsyncIterator[None]:
        async with beside(app[LIFE].show(connect)):
            yield

    app.cleanup_ctx.append(keep_shown)


def _make_connections(config: ApiConfig, metrics: ConnectionMetrics) -> Connections:
    connections = Connections(config.connections, proxies=config.trusted_proxies, on_end=metrics.count_end)
    metrics.watch(connections)
    return connections


def _add_route(app: web.Application, route: Route) -> Iterator[AbstractRoute]:
    """Add a route. The handler of GET serves HEAD as well."""
    for method in ("HEAD", "GET") if route.method == "GET" else (route.method,):
        yield app.router.add_route(method, route.path, route.handler, expect_handler=_defer_continue)


async def _defer_continue(_request: web.Request) -> None:
    """Do nothing: the reader of the body sends 100-continue, so that an error can precede the body."""


def make_runner(app: web.Application, *, shutdown_timeout: float) -> web.AppRunner:
    """Make the runner. It does not decompress bodies, because ``bodies.chunks`` does.

    After an answer, what is left of the body is read for 2 seconds at most.
    """
    return web.AppRunner(
        app,
        access_log=None,
        logger=quiet_logger(),
        shutdown_timeout=shutdown_timeout,
        handle_signals=False,
        auto_decompress=False,
        lingering_time=_LINGERING,
    )
