"""The application: dependencies in, routes and middlewares joined."""

from __future__ import annotations

from aiohttp import web

from services.api import rate_limits
from services.api.dependencies import DEPENDENCIES, FINDER, Dependencies
from services.api.entity_tags import tag_answers
from services.api.handlers.documentation import DOCUMENTATION, make_documentation
from services.api.handlers.web_pages import answer_pages
from services.api.idempotency import answer_once
from services.api.middlewares import answer_errors, authenticate, log_requests, refuse_malformed
from services.api.outages import tell_outages
from services.api.responses import add_common_headers
from services.api.routes import ROUTES
from shared.snapshots.matches import Finder


def make_app(dependencies: Dependencies) -> web.Application:
    """Make the application; whoever opened the dependencies closes them after it.

    No limit of aiohttp's holds for bodies: each reader has its own.
    """
    middlewares = [log_requests, tag_answers, answer_errors, answer_pages, tell_outages, refuse_malformed,
                   authenticate, answer_once]  # fmt: skip
    app = web.Application(middlewares=middlewares, client_max_size=0)
    app[DEPENDENCIES] = dependencies
    app[FINDER] = Finder(dependencies.pool, dependencies.store)
    app[DOCUMENTATION] = make_documentation(dependencies.config.external_url)
    app.on_response_prepare.append(add_common_headers)
    app.on_response_prepare.append(rate_limits.add_headers)
    app.add_routes(ROUTES)
    return app
