"""Commands on many projects at once."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from services.cli.errors import UsageError
from services.cli.options import Json
from services.cli.server import Server, on_server

if TYPE_CHECKING:
    from services.cli.client import GitLabClient
    from services.cli.fleet.selection import Selection
    from services.cli.results import Result

app = typer.Typer(rich_markup_mode=None)

Group: TypeAlias = Annotated[str | None, typer.Option(help="All projects of this group and below.")]
Match: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Only those whose full path is like this; * takes slashes too."),
]
ChangedSince: TypeAlias = Annotated[
    datetime | None, typer.Option(help="Only those with activity after this time (UTC).")
]


@app.command()
@on_server
def projects(
    *,
    group: Group = None,
    match: Match = None,
    changed_since: ChangedSince = None,
    server: Server,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with a line of names first.")] = False,
    json: Json = False,
) -> None:
    """List projects: of a group, or all that you may export.

    Example: crossdock projects --group platform --match 'platform/*/api' --csv

    Keys with --json: projects (id, path_with_namespace, last_activity_at, archived, visibility).
    """
    from services.cli.fleet.listing import list_projects
    from services.cli.project_commands import with_client

    if csv and json:
        raise UsageError("--csv and --json exclude each other")
    selection = select(group=group, match=match, changed_since=changed_since)

    async def work(client: GitLabClient) -> Result:
        return await list_projects(client, selection, csv=csv)

    with_client(work, server, json=json)


def select(
    *,
    names: list[str] | None = None,
    everything: bool = True,
    group: str | None = None,
    file: Path | None = None,
    match: list[str] | None = None,
    changed_since: datetime | None = None,
) -> Selection:
    """Make a selection of the options of a command. Raises UsageError unless one way to select is given.

    ``everything`` stands for none of the others.
    """
    from datetime import UTC

    from services.cli.fleet.selection import Selection, read_names

    given = [bool(names), group is not None, file is not None]
    if sum(given) > 1 or not (any(given) or everything):
        raise UsageError("name projects, or one of --group, --from and --all")
    return Selection(
        names=tuple(names or ()) if file is None else tuple(read_names(file)),
        group=group,
        match=tuple(match or ()),
        changed_since=changed_since and changed_since.replace(tzinfo=UTC),
    )
