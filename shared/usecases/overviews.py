"""Lists projects with what they have, for users who are maintainers of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.accounts.models import User
from shared.database.pool import Pool, one_moment
from shared.statuses.overviews import OverviewQuery, ProjectOverview, list_overviews
from shared.usecases.access import find_member_namespace, require_user


@dataclass(frozen=True, slots=True)
class ProjectOverviews:
    """Lists projects with their sizes, counts and last jobs."""

    pool: Pool

    async def list(
        self, actor: User | None, query: OverviewQuery, *, namespace: str | None
    ) -> Sequence[ProjectOverview]:
        """List the projects that the user maintains or owns, all for an administrator.

        ``namespace`` is an id or a full path. Raises Unauthenticated, and NotFound for the namespace.
        """
        user = require_user(actor)
        async with one_moment(self.pool) as db:
            if namespace:
                found = await find_member_namespace(db, user, namespace)
                query = replace(query, namespace_id=found.namespace.id)
            return await list_overviews(db, user, query)
