"""The application: dependencies in, routes and middlewares joined."""

from __future__ import annotations

from aiohttp import web

from services.api import rate_limits
from services.api.dependencies import DEPENDENCIES, Dependencies
from services.api.middlewares import answer_errors, authenticate, log_requests
from services.api.responses import add_common_headers
from services.api.routes import ROUTES


def make_app(dependencies: Dependencies) -> web.Application:
    """Make the application; whoever opened the dependencies closes them after it.

    No limit of aiohttp's holds for bodies: each reader has its own.
    """
    app = web.Application(middlewares=[log_requests, answer_errors, authenticate], client_max_size=0)
    app[DEPENDENCIES] = dependencies
    app.on_response_prepare.append(add_common_headers)
    app.on_response_prepare.append(rate_limits.add_headers)
    app.add_routes(ROUTES)
    return app
