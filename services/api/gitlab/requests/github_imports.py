"""Parses requests for imports from GitHub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from services.api.gitlab.requests.people import read_people_of
from services.api.http.parameters import ParameterReader, boolean
from shared.jobs.models import GitHubStages
from shared.usecases.github_imports import GitHubImportRequest
from shared.usecases.github_repositories import GitHubSource

TOKEN = "personal_access_token"  # noqa: S105  # the name of the parameter
_TIMEOUTS = ("optimistic", "pessimistic")
_LARGEST_PAGE = 100


def read_github_import(given: Mapping[str, object]) -> GitHubImportRequest:
    """Read a request for an import. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    source = read_github_source(reader)
    namespace = _required_text(reader, given, "target_namespace")
    name, people = reader.text("new_name"), read_people_of(reader)
    reader.finish()
    return GitHubImportRequest(
        source=source, namespace=namespace, name=(name or "").strip() or None, people=people
    )


def read_github_source(reader: ParameterReader) -> GitHubSource:
    """Read which repository it is, and how it is read. The caller finishes the reader.

    A request may say what GitLab does where GitHub is slow (``timeout_strategy``): here that is one and the
    same, as a job goes on where it was.
    """
    reader.require(TOKEN, or_null=True)
    reader.require("repo_id", or_null=True)
    repository = reader.integer("repo_id", default=0) or 0
    reader.choice("timeout_strategy", _TIMEOUTS)
    return read_source_of(reader, repository, address=reader.text("github_hostname"))


def read_source_of(reader: ParameterReader, repository: int | str, *, address: str | None) -> GitHubSource:
    """Read how a repository is read. The caller finishes the reader."""
    return GitHubSource(
        address=address,
        repository=repository,
        token=reader.text(TOKEN) or "",
        stages=read_stages(reader.mapping("optional_stages")),
        page_size=_page_size(reader),
        keeps_pages=reader.boolean("keep_pages", default=False) or False,
    )


def read_stages(given: Mapping[str, object]) -> GitHubStages:
    """Read which stages are wanted. Whatever is no boolean is off, as in GitLab."""
    return GitHubStages(
        **{each.name: boolean(given.get(each.name)) or False for each in fields(GitHubStages)}
    )


def read_canceled_project(given: Mapping[str, object]) -> int:
    """Read the id of the project whose import is canceled. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    reader.require("project_id", or_null=True)
    project_id = reader.integer("project_id", default=0)
    reader.finish()
    return project_id or 0


def require_token(given: Mapping[str, object]) -> None:
    """Raise ParametersInvalid if there is no token for GitHub."""
    reader = ParameterReader(given)
    reader.require(TOKEN, or_null=True)
    reader.text(TOKEN)
    reader.finish()


def _required_text(reader: ParameterReader, given: Mapping[str, object], name: str) -> str:
    """Read a text that must not be blank."""
    reader.require(name, or_null=True)
    read = reader.text(name)
    if read is None and given.get(name) is not None:
        return ""  # it is told that it is invalid
    if not (read or "").strip():
        reader.problem(name, "is empty")
    return (read or "").strip()


def _page_size(reader: ParameterReader) -> int:
    size = reader.integer("pagination_limit", default=_LARGEST_PAGE)
    if size is None:
        return _LARGEST_PAGE
    if not 1 <= size <= _LARGEST_PAGE:
        reader.problem("pagination_limit", "does not have a valid value")
    return size
