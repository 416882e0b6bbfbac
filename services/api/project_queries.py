"""Which projects a list is asked for: GitLab's parameters, as far as there is something to ask for."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.http.pagination import Page
from services.api.http.parameters import Checker
from shared.accounts.models import AccessLevel
from shared.projects.store import ProjectOrder, ProjectQuery

_ORDERS = {order.value: order for order in ProjectOrder}
_SORTED_AS_CREATED = ("updated_at", "last_activity_at", "star_count", "similarity")
"""What GitLab sorts by as well, and what no project has here: it was never changed since it was made."""


def read_query(given: Mapping[str, object], page: Page, *, namespace_id: int | None) -> ProjectQuery:
    """Read it. Raises 400."""
    checker = Checker(given)
    order = checker.choice("order_by", (*_ORDERS, *_SORTED_AS_CREATED)) or ""
    query = ProjectQuery(
        minimum=_minimum(checker),
        search=checker.text("search"),
        archived=checker.boolean("archived"),
        visibility=checker.visibility(),
        namespace_id=namespace_id,
        below=checker.boolean("include_subgroups") or False,
        order=_ORDERS.get(order, ProjectOrder.ID),
        ascending=checker.choice("sort", ("asc", "desc")) == "asc",
        limit=page.size,
        offset=page.offset,
    )
    checker.finish()
    return query


def _minimum(checker: Checker) -> AccessLevel:
    if checker.boolean("owned"):
        return AccessLevel.OWNER
    return checker.level("min_access_level") or (
        AccessLevel.GUEST if checker.boolean("membership") else AccessLevel.NONE
    )
