"""Parses requests about projects and groups."""

from __future__ import annotations

from collections.abc import Mapping

from services.api.http.errors import ParametersInvalid
from services.api.http.pagination import Page
from services.api.http.parameters import ParameterReader
from shared.accounts.groups import GroupChanges
from shared.accounts.models import AccessLevel, NamespaceKind, User
from shared.accounts.namespaces import NamespaceOrder, NamespaceQuery
from shared.accounts.visibility import lowest_visible
from shared.gitlab.visibility import Visibility
from shared.projects.changes import ProjectChanges
from shared.projects.rules import path_of_name
from shared.projects.store import ProjectOrder, ProjectQuery
from shared.remote.urls import with_credentials
from shared.usecases.groups import GroupRequest
from shared.usecases.projects import ProjectRequest, check_attributes

_ORDERS = {order.value: order for order in ProjectOrder} | {"updated_at": ProjectOrder.LAST_ACTIVITY_AT}
_SORTED_AS_CREATED = ("star_count", "similarity")
"""Sort orders of GitLab whose values do not exist here. Lists are in the order of creation then."""


_GROUP_ORDERS = {
    "name": NamespaceOrder.NAME,
    "path": NamespaceOrder.PATH,
    "id": NamespaceOrder.ID,
    "similarity": NamespaceOrder.NAME,
}


def read_project(given: Mapping[str, object]) -> ProjectRequest:
    """Read a project to create. Name and path default to each other. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    name = reader.text("name") or ""
    path = reader.text("path") or ""
    if not name and not path:
        reader.problems.append("name, path are missing, at least one parameter must be provided")
    visibility = reader.visibility() or Visibility.PRIVATE
    namespace_id = reader.integer("namespace_id")
    description = reader.text("description")
    reader.finish()
    return ProjectRequest(
        name=name or path,
        path=path or path_of_name(name),
        namespace_id=namespace_id,
        description=description,
        visibility=visibility,
    )


def read_import_url(given: Mapping[str, object]) -> str | None:
    """Read the address of the repository for a new project; None if it is missing or blank.

    Raises ParametersInvalid.
    """
    reader = ParameterReader(given)
    url = reader.text("import_url")
    reader.finish()
    return (url or "").strip() or None


def read_git_import(given: Mapping[str, object]) -> str:
    """Read the address of a repository, with the credentials beside it. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    reader.require("import_url")
    url = (reader.text("import_url") or "").strip()
    user, password = (reader.text(f"import_url_{each}") for each in ("user", "password"))
    reader.finish()
    return with_credentials(url, user, password)


def read_project_changes(given: Mapping[str, object]) -> ProjectChanges:
    """Read the changes of a project. Other attributes of GitLab are ignored.

    Raises ParametersInvalid and FieldsInvalid.
    """
    if not given:
        raise ParametersInvalid(
            "name, path, description, visibility are missing, at least one parameter must be provided"
        )
    reader = ParameterReader(given)
    name, path, description = (reader.text(each) for each in ("name", "path", "description"))
    visibility = reader.visibility()
    reader.finish()
    name, path = check_attributes(name, path, description)
    return ProjectChanges(name=name, path=path, description=description, visibility=visibility)


def read_project_query(given: Mapping[str, object], page: Page, *, namespace_id: int | None) -> ProjectQuery:
    """Read the filter of a list of projects. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    order = reader.choice("order_by", (*_ORDERS, *_SORTED_AS_CREATED)) or ""
    query = ProjectQuery(
        minimum=_minimum(reader),
        search=reader.text("search"),
        archived=reader.boolean("archived"),
        visibility=reader.visibility(),
        namespace_id=namespace_id,
        below=reader.boolean("include_subgroups") or False,
        changed_after=reader.moment("last_activity_after"),
        changed_before=reader.moment("last_activity_before"),
        order=_ORDERS.get(order, ProjectOrder.ID),
        ascending=reader.choice("sort", ("asc", "desc")) == "asc",
        limit=page.size,
        offset=page.offset,
    )
    reader.finish()
    return query


def _minimum(reader: ParameterReader) -> AccessLevel:
    if reader.boolean("owned"):
        return AccessLevel.OWNER
    return reader.level("min_access_level") or (
        AccessLevel.GUEST if reader.boolean("membership") else AccessLevel.NONE
    )


def read_group(given: Mapping[str, object]) -> GroupRequest:
    """Read a group to create. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    reader.require("name")
    reader.require("path")
    group = GroupRequest(
        name=reader.text("name") or "",
        path=reader.text("path") or "",
        description=reader.text("description") or "",
        parent_id=reader.integer("parent_id"),
        visibility=reader.visibility() or Visibility.PRIVATE,
    )
    reader.finish()
    return group


def read_group_changes(given: Mapping[str, object]) -> GroupChanges:
    """Read the changes of a group. Raises ParametersInvalid and FieldsInvalid."""
    reader = ParameterReader(given)
    name, path, description = (reader.text(each) for each in ("name", "path", "description"))
    visibility = reader.visibility()
    reader.finish()
    name, path = check_attributes(name, path, None)
    return GroupChanges(name=name, path=path, description=description, visibility=visibility)


def read_group_query(
    given: Mapping[str, object],
    caller: User | None,
    page: Page,
    *,
    parent_id: int | None,
    below: bool = False,
) -> NamespaceQuery:
    """Read the filter of a list of groups: the caller's or all visible ones. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    level = AccessLevel.OWNER if reader.boolean("owned") else reader.level("min_access_level")
    all_available = reader.boolean("all_available", default=caller is None) and not level
    query = NamespaceQuery(
        kind=NamespaceKind.GROUP,
        search=reader.text("search"),
        minimum=level,
        visible=lowest_visible(signed_in=caller is not None) if all_available else None,
        parent_id=parent_id,
        below=below,
        top=reader.boolean("top_level_only") or False,
        order=_GROUP_ORDERS[reader.choice("order_by", _GROUP_ORDERS) or "name"],
        descending=reader.choice("sort", ("asc", "desc")) == "desc",
        limit=page.size,
        offset=page.offset,
    )
    reader.finish()
    return query


def read_namespace_query(given: Mapping[str, object], page: Page) -> NamespaceQuery:
    """Read the filter of a list of namespaces. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    search, top = reader.text("search"), reader.boolean("top_level_only") or False
    reader.finish()
    return NamespaceQuery(search=search, top=top, limit=page.size, offset=page.offset)


def read_parent(given: Mapping[str, object]) -> int | None:
    """Read the id of the group in which to search for a path. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    parent_id = reader.integer("parent_id")
    reader.finish()
    return parent_id
