"""How many records a project has of each kind: the same question to both sides of a copy."""

from __future__ import annotations

from collections.abc import Mapping

from services.cli.client import GitLabClient
from services.cli.errors import RefusedByServer
from services.cli.http import attempts, exchange, retry_if_transient
from shared.gitlab.relation_selection import RelationSelection

_LISTS = {
    "issues": "issues?scope=all&state=all",
    "merge_requests": "merge_requests?scope=all&state=all",
    "labels": "labels?include_ancestor_groups=false",
    "milestones": "milestones?include_ancestors=false",
    "releases": "releases",
    "snippets": "snippets",
    "branches": "repository/branches",
    "tags": "repository/tags",
}
_OF_REPOSITORY = frozenset({"branches", "tags"})
_REFUSED = frozenset({403, 404})


async def count_records(
    client: GitLabClient, project: int, selection: RelationSelection | None = None
) -> Mapping[str, int | None]:
    """Count what the selection takes by X-Total.

    None for what the user may not see, and for more than 10,000 at a GitLab. Raises RefusedByServer and
    ServerUnreachable.
    """
    return {
        name: await _count(client, f"/projects/{project}/{path}")
        for name, path in _LISTS.items()
        if selection is None or selection.keeps("repository" if name in _OF_REPOSITORY else name)
    }


async def _count(client: GitLabClient, path: str) -> int | None:
    url = f"{client.api}{path}{'&' if '?' in path else '?'}per_page=1"
    async for attempt in attempts(retry_if_transient):
        with attempt:
            try:
                async with exchange(client.session, "GET", url) as response:
                    total = response.headers.get("X-Total", "")
            except RefusedByServer as error:
                if error.status not in _REFUSED:
                    raise
                return None
    return int(total) if total.isdecimal() else None


def differences(source: Mapping[str, int | None], target: Mapping[str, int | None]) -> list[str]:
    """Say where the counts of both differ, as far as both are known."""
    return [
        f"{name}: {count} there, {target[name]} here"
        for name, count in source.items()
        if count is not None and target.get(name) is not None and target[name] != count
    ]
