"""The import of a repository of a GitHub: requests, seconds and most memory against the number of issues.

The GitHub is the one for tests, in this process: how fast it answers is part of the seconds, so what the
importer itself takes is told by its processor. It has no limit of requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.bench import Bench, client_of
from tests.benchmarks.client import Client
from tests.benchmarks.meters import metered
from tests.benchmarks.results import Sample, at_most
from tests.support.background import background
from tests.support.git import make_repository
from tests.support.git_http import GitHttp
from tests.support.github.github import ADDRESS, TOKEN, GitHub
from tests.support.github.large import LargeRepository, large_repository
from tests.support.github.served import served_beside

_ISSUES = (2_000, 20_000)
_COMMENTS_EACH = 10
_SETTINGS = {
    "CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS": "true",
    "CROSSDOCK_ALLOW_LOCAL_REQUESTS_FROM_WEB_HOOKS_AND_SERVICES": "true",
}


def measure(bench: Bench) -> Iterator[Sample]:
    """For each number of issues: a system of its own, and one import."""
    for issues in _ISSUES:
        repository = large_repository(issues=issues, comments_each=_COMMENTS_EACH, path="octo/large")
        with (
            _github(bench.scratch(f"git-{issues}"), repository) as github,
            bench.distributed(**_SETTINGS) as system,
        ):
            client = client_of(system, pause=0.1)
            with metered(system) as cost:
                client.until_imported(_order(client, github, repository))
            what = f"{issues} issues, {issues * _COMMENTS_EACH} comments"
            yield Sample(f"{what}: requests", github.requests, "")
            yield Sample(f"{what}: import", cost.seconds, "s")
            yield Sample(f"{what}: importer's processor", cost.cpu["importer"], "s")
            yield Sample(f"{what}: importer", cost.peak["importer"], "MiB", at_most(160))


def _order(client: Client, github: GitHub, repository: LargeRepository) -> int:
    wanted = {
        "personal_access_token": TOKEN,
        "repo_id": repository.stamp.id,
        "target_namespace": "root",
        "github_hostname": github.site.web,
    }
    number: int = client.call("POST", "/v4/import/github", wanted)["id"]
    return number


@contextmanager
def _github(folder: Path, repository: LargeRepository) -> Iterator[GitHub]:
    """Serve a repository, whose commits are few, in a thread of its own."""
    make_repository(folder / "octo", "large.git")
    github = GitHub(None, enterprise=ADDRESS)
    github.add(repository)
    with (
        background() as loop,
        loop.opened(github.serve()),
        loop.opened(served_beside(github, GitHttp(folder, token=TOKEN).handle)),
    ):
        yield github
