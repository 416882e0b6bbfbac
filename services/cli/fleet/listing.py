"""Lists the projects of a selection."""

from __future__ import annotations

import csv as csv_
import sys
from collections.abc import Sequence

import msgspec

from services.cli.client import GitLabClient
from services.cli.fleet.selection import ProjectAnswer, ProjectFinder, Selection
from services.cli.formats import moment
from services.cli.terminal import print_table, replace_unprintable

_COLUMNS = ("id", "path_with_namespace", "last_activity_at", "archived", "visibility")


class ProjectList(msgspec.Struct, frozen=True):
    """``crossdock projects``."""

    projects: Sequence[ProjectAnswer]

    def show(self) -> None:
        """See Result."""
        rows = [
            (each.id, each.path_with_namespace, moment(each.last_activity_at), each.visibility or "-")
            for each in self.projects
        ]
        print_table("Projects", ("id", "project", "last activity", "visibility"), rows)


class ProjectCsv(ProjectList, frozen=True):
    """The same as CSV (RFC 4180, lines end as on this system)."""

    def show(self) -> None:
        """See Result."""
        writer = csv_.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for each in self.projects:
            values = msgspec.to_builtins(each)
            writer.writerow(replace_unprintable(_cell(values[column])) for column in _COLUMNS)


def _cell(value: object) -> object:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


async def list_projects(client: GitLabClient, selection: Selection, *, csv: bool) -> ProjectList:
    """List the projects of a selection. Raises RefusedByServer and ServerUnreachable."""
    found = [project async for project in ProjectFinder(client).find(selection)]
    return (ProjectCsv if csv else ProjectList)(found)
