"""Imports of repositories of GitHub: finds them by their names, orders their imports and follows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from yarl import URL

from services.cli.client import GitHubImportRequest, GitLabClient, ImportStatusAnswer, ObjectStats
from services.cli.crossdock_api import JobClient
from services.cli.errors import (
    CommandError,
    RefusedByGitHub,
    RefusedByServer,
    UsageError,
    attach_document,
)
from services.cli.http import open_session
from services.cli.json_api import JsonApi
from services.cli.polling import import_states, limit_wait
from services.cli.profiles import read_token_file, run_token_command
from services.cli.proxies import find_proxy
from services.cli.results import GitHubImportResult, list_failures
from services.cli.results import project_of_import as project_of
from services.cli.terminal import ObjectCounts, say, show_job
from shared.github.client import api_of
from shared.github.references import RepositoryReference, read_reference

_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE_TOKENS = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
"""Where GitHub's own command line finds its tokens: those of one GitHub are not sent to another."""


class _Repository(msgspec.Struct, frozen=True):
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubRepository:
    """A repository by ``owner/repo``, an address or its number, the GitHub that has it, and a token for that.

    ``enterprise`` is the address of an Enterprise Server, None for github.com.
    """

    name: str
    enterprise: str | None
    token: str = field(repr=False)


def hub_of(repository: str, *, enterprise: str | None) -> str | None:
    """Give the Enterprise Server of a repository, which may be that of its address. Raises UsageError."""
    named = _read(repository)
    if enterprise is not None and not named.may_be_at(enterprise):
        raise UsageError("--enterprise is not the GitHub of the address of the repository")
    return enterprise or named.site


def _read(repository: str) -> RepositoryReference:
    named = read_reference(repository)
    if named is None:
        raise UsageError(
            f"{repository!r} is no repository: give OWNER/REPO, the address of its page, or its number"
        )
    return named


def find_token(credentials: Path | None, command: str | None, *, enterprise: str | None) -> str:
    """Find the token for a GitHub: in a file, by a command, or in the environment. Raises UsageError."""
    if credentials is not None and command is not None:
        raise UsageError("--credentials and --credentials-command are both given: give one")
    if credentials is not None:
        return read_token_file(credentials, "--credentials")
    if command is not None:
        return run_token_command(command)
    names = _ENTERPRISE_TOKENS if enterprise else _TOKENS
    token = next(filter(None, (os.environ.get(name, "").strip() for name in names)), "")
    if not token:
        raise UsageError(
            f"no token of GitHub: give --credentials or --credentials-command, or set {names[0]}"
        )
    return token


async def import_from_github(
    client: GitLabClient,
    repository: GitHubRepository,
    path: str,
    *,
    stages: Mapping[str, bool],
    within: timedelta | None,
    people: str | None = None,
) -> GitHubImportResult:
    """Import the repository as the project ``path``, and wait at most ``within``, if that is given."""
    namespace, _, name = path.strip("/").rpartition("/")
    request = GitHubImportRequest(
        personal_access_token=repository.token,
        repo_id=await _number_of(repository),
        target_namespace=namespace or await client.own_namespace(),
        new_name=name,
        github_hostname=repository.enterprise,
        optional_stages={stage: True for stage, is_wanted in stages.items() if is_wanted},
        people=people,
    )
    scheduled = await client.import_from_github(request)
    if within is None:
        return _imported(scheduled.status, scheduled.job)
    return await _follow(client, scheduled.status, scheduled.job, within=within)


async def _number_of(repository: GitHubRepository) -> int:
    """Give the number of the repository, for which its GitHub is asked where it has a name."""
    named = _read(repository.name).repository
    if isinstance(named, int):
        return named
    api = _api(repository.enterprise)
    async with open_session(repository.token, find_proxy(api)) as session:
        github = JsonApi(session, str(api).rstrip("/"))
        try:
            return (await github.call("GET", f"/repos/{named}", _Repository)).body.id
        except RefusedByServer as error:
            raise RefusedByGitHub(error) from None


def _api(enterprise: str | None) -> URL:
    """Give where the API of a GitHub is. Raises UsageError for what is no address of one."""
    if enterprise is None:
        return api_of(None)
    try:
        given = URL(enterprise)
    except ValueError:
        given = URL()
    if given.scheme not in ("http", "https") or given.raw_user or given.raw_password or given.query_string:
        raise UsageError("--enterprise is no URL of a GitHub: it has to be like https://github.example.com")
    return api_of(enterprise)


async def _follow(
    client: GitLabClient, first: ImportStatusAnswer, job: int | None, *, within: timedelta
) -> GitHubImportResult:
    """Wait for the import, show its counts, and list what it left out."""
    status = first
    with (
        attach_document(lambda error: _imported(status, job, error)),
        show_job("Importing") as show,
    ):
        async with limit_wait(within, f"the import of {first.path_with_namespace}"):
            async for status in import_states(client, first.id, job):
                show(status.import_status, _counts(status.stats, await _waits_until(client, job, status)))
    list_failures(status.failed_relations)
    say(f"Imported {_counts(status.stats, None)}")
    return _imported(status, job)


async def _waits_until(client: GitLabClient, job: int | None, status: ImportStatusAnswer) -> datetime | None:
    """Tell until when GitHub takes no more requests; None where it does, or the server does not tell."""
    if job is None or status.import_status != "scheduled":
        return None
    try:
        seen = await JobClient(client).glance(job)
    except CommandError:
        return None
    return seen.due_at if seen.error_code == "github_limit" else None


def _counts(stats: ObjectStats | None, waits_until: datetime | None) -> ObjectCounts:
    known = stats or ObjectStats()
    return ObjectCounts(fetched=known.fetched, imported=known.imported, waits_until=waits_until)


def _imported(
    status: ImportStatusAnswer, job: int | None, error: CommandError | None = None
) -> GitHubImportResult:
    return GitHubImportResult(
        project=project_of(status),
        job=job,
        state=status.import_status,
        error=str(error) if error else None,
        error_code=error.error_code if error else None,
        failed_relations=status.failed_relations,
        stats=status.stats,
    )
