"""Renders the errors of ``POST /import/github``, where GitLab has a form of its own: ``errors``."""

from __future__ import annotations

from aiohttp import web

from services.api.gitlab.errors import render_gitlab_error
from services.api.http.responses import json_response
from services.api.http.status import headers_of, status_of
from shared.accounts.rate_limits import RateLimited
from shared.errors import CrossdockError
from shared.usecases.errors import GitHubBlocked, GitHubImportRefused, GitHubImportsDisabled, GitHubLimited


def render_github_error(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as GitLab does: those of the parameters and of the token are as everywhere."""
    match error:
        case GitHubImportRefused() | GitHubBlocked() | RateLimited():
            body: dict[str, object] = {"errors": str(error)}
        case GitHubImportsDisabled():
            body = {"errors": [str(error.reason)]}
        case GitHubLimited():
            body = {"error": "Too Many Requests"}
        case _:
            return render_gitlab_error(request, error)
    return json_response(body, status=status_of(error), headers=headers_of(error))
