"""The application: dependencies in, routes and middlewares joined."""

from __future__ import annotations

import asyncio

from aiohttp import web

from services.api import rate_limits
from services.api.crossdock.event_stream import STREAMS
from services.api.dependencies import DEPENDENCIES, FINDER, Dependencies
from services.api.http.downloads import DOWNLOADS
from services.api.http.responses import add_common_headers
from services.api.middleware.entity_tags import tag_answers
from services.api.middleware.idempotency import answer_once
from services.api.middleware.log import (
    SLOTS,
    answer_errors,
    authenticate,
    bound_uploads,
    log_requests,
    refuse_malformed,
)
from services.api.middleware.outages import tell_outages
from services.api.middleware.tracing import trace_requests
from services.api.pages.documentation import DOCUMENTATION, make_documentation
from services.api.pages.download import answer_pages
from services.api.routes import ROUTES
from shared.records.finder import Finder


def make_app(dependencies: Dependencies) -> web.Application:
    """Make the application; whoever opened the dependencies closes them after it.

    No limit of aiohttp's holds for bodies: each reader has its own.
    """
    middlewares = [trace_requests, log_requests, tag_answers, answer_errors, answer_pages, tell_outages,
                   refuse_malformed, authenticate, bound_uploads, answer_once]  # fmt: skip
    app = web.Application(middlewares=middlewares, client_max_size=0)
    app[DEPENDENCIES] = dependencies
    app[STREAMS] = []
    app[DOWNLOADS] = asyncio.Semaphore(dependencies.config.downloads_at_once)
    app[SLOTS] = asyncio.Semaphore(dependencies.config.uploads_at_once)
    app[FINDER] = Finder(dependencies.pool, dependencies.store)
    app[DOCUMENTATION] = make_documentation(
        dependencies.config.external_url, broker_prefix=dependencies.config.broker_prefix
    )
    app.on_response_prepare.append(add_common_headers)
    app.on_response_prepare.append(rate_limits.add_headers)
    app.add_routes(ROUTES)
    return app


def make_runner(app: web.Application, *, shutdown_timeout: float) -> web.AppRunner:
    """Make what serves it; bodies are left in their encodings, as ``bodies.chunks`` undoes those."""
    return web.AppRunner(
        app, access_log=None, shutdown_timeout=shutdown_timeout, handle_signals=False, auto_decompress=False
    )
