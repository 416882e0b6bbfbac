"""Parses which repository of a GitHub is imported, where people may name it as they know it."""

from __future__ import annotations

from services.api.gitlab.requests.github_imports import TOKEN, read_source_of
from services.api.http.parameters import ParameterReader
from shared.github.references import read_reference
from shared.usecases.github_repositories import GitHubSource


def read_named_source(reader: ParameterReader) -> GitHubSource:
    """Read the token, and the repository by ``owner/repo``, an address or a number.

    The caller finishes the reader.
    """
    reader.require(TOKEN, or_null=True)
    reader.require("repository", or_null=True)
    given, hub = reader.text("repository"), reader.text("github_hostname")
    named = read_reference(given or "")
    if given is not None and named is None:
        reader.problem("repository", "has to be OWNER/REPO, the address of its page, or its number")
    if named is None:
        return read_source_of(reader, 0, address=hub)
    if hub and not named.may_be_at(hub):
        reader.problem("github_hostname", "is not the GitHub of the address of the repository")
    return read_source_of(reader, named.repository, address=hub or named.site)
