"""The command copy: both servers by their profiles, and the report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from services.cli.client import connect
from services.cli.errors import UsageError
from services.cli.fleet.copying import Copying, CopyOptions, write_report
from services.cli.fleet.runner import end
from services.cli.fleet.selection import Selection
from services.cli.local_folders import require_writable
from services.cli.output import run
from services.cli.results import Result
from services.cli.server import find_server
from shared.gitlab.relation_selection import RelationSelection


def split(name: str) -> tuple[str, str]:
    """Split ``PROFILE:PATH``. Raises UsageError."""
    profile, colon, path = name.partition(":")
    if not (profile and colon and path.strip("/")):
        raise UsageError(f"{name!r} does not name a profile and a path: PROFILE:PATH")
    return profile, path.strip("/")


def sides(names: Sequence[str], group: str | None) -> tuple[str, list[str], str, str]:
    """Give the source's profile, the projects, the target's profile and its group. Raises UsageError."""
    *projects, target = map(split, names)
    sources = {profile for profile, _ in projects} | ({split(group)[0]} if group else set())
    if len(sources) != 1 or bool(projects) == bool(group):
        raise UsageError("copy takes projects of one profile, or --group, and then where to: PROFILE:GROUP")
    return sources.pop(), [path for _, path in projects], *target


def run_copy(  # noqa: PLR0913  # the options of the command
    names: Sequence[str],
    *,
    group: str | None,
    selection: Selection,
    overwrite: bool,
    counts: bool,
    relations: RelationSelection | None,
    file: Path | None,
    dry_run: bool,
    parallel: int,
    seconds: int,
    json: bool,
) -> None:
    """Copy, and print the result."""
    if dry_run and file is not None:
        raise UsageError("--report tells what was copied, and --dry-run copies nothing: give one")
    source, projects, target, into = sides(names, group)
    of_group = split(group)[1] if group else None
    options = CopyOptions(
        into=into,
        group=of_group,
        parallel=parallel,
        within=timedelta(seconds=seconds),
        overwrite=overwrite,
        counts=counts,
        relations=relations,
    )

    if file is not None:
        require_writable(file.parent)

    async def work() -> Result:
        async with AsyncExitStack() as stack:
            there, here = [
                await stack.enter_async_context(connect(server.url, server.required_token()))
                for server in (find_server(profile=source), find_server(profile=target))
            ]
            copying = Copying(there, here, options)
            chosen = await copying.select(replace(selection, names=tuple(projects), group=of_group))
            if dry_run:
                return await copying.plan(chosen)
            done = await copying.run(chosen, json=json)
        if file is not None:
            write_report(file, done.outcomes)
        return end(done, json=json)

    run(work(), json=json)
