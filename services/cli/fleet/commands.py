"""Commands on many projects at once."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from services.cli.errors import UsageError
from services.cli.options import (
    DAY,
    ExcludedRelations,
    Json,
    JsonOfEach,
    Recipient,
    RecipientsFile,
    Relations,
    Seconds,
)
from services.cli.retries import ATTEMPTS, Retries
from services.cli.retries import retries as configured
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

Place: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="DIR|s3://BUCKET/PREFIX", help="Where archives are kept.", show_default=False),
]
IdentityFiles: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--identity", metavar="FILE", help="Keys of age, or one of SSH, that decrypt.", show_default=False
    ),
]
PublicKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="Require signatures by one of these keys (PEM), not by those known since a backup.",
        show_default=False,
    ),
]
Kept: TypeAlias = Annotated[int, typer.Option(min=0, show_default=False)]
Parallel: TypeAlias = Annotated[int, typer.Option(min=1, max=32, help="Number of projects at a time.")]


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


@app.command()
@on_server
def backup(  # noqa: PLR0913  # the options of a command
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PROJECT]...", help="Ids, or group/name.")
    ] = None,
    *,
    to: Annotated[
        str, typer.Option(metavar="DIR|s3://BUCKET/PREFIX", help="Where to keep them.", show_default=False)
    ],
    everything: Annotated[bool, typer.Option("--all", help="All projects that you may export.")] = False,
    group: Group = None,
    file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="A file with a project a line.")
    ] = None,
    match: Match = None,
    changed_since: ChangedSince = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also those that have not changed since their last backup.")
    ] = False,
    max_age: Annotated[
        int | None, typer.Option(min=1, metavar="DAYS", help="Also those whose last backup is older.")
    ] = None,
    recipient: Recipient = None,
    recipients_file: RecipientsFile = None,
    relations: Relations = None,
    excluded_relations: ExcludedRelations = None,
    parallel: Parallel = 4,
    timeout: Seconds = DAY,
    server: Server,
    json: JsonOfEach = False,
) -> None:
    """Export projects, and keep their archives in a folder or a bucket.

    Archives stream to where they are kept. What the server tells unchanged is skipped, and so is what an
    earlier run has done before it was cut off: run it again. DIR/catalogue.jsonl lists all archives.

    Archives of some relations are kept beside whole ones, and neither counts for the other. Relations are
    named as those of import; a GitLab cannot select them.

    With recipients, archives and manifests leave as age files, which the owners of these keys can decrypt:
    nobody else, and not this command. Records, with the names of projects, are not encrypted.

    With --json: a document a project (project, state: done, skipped or failed, bytes, seconds, file, why,
    error_code), then one of all: done, skipped, failed (counts), bytes, seconds, failures.
    """
    from datetime import timedelta

    from services.cli.age_keys import read_recipients
    from services.cli.fleet.backup import Backup, BackupOptions
    from services.cli.fleet.places import open_place
    from services.cli.fleet.runner import end
    from services.cli.project_commands import with_client
    from services.cli.relations import read_selection

    selection = select(
        names=names, everything=everything, group=group, file=file, match=match, changed_since=changed_since
    )
    options = BackupOptions(
        parallel=parallel,
        within=timedelta(seconds=timeout),
        force=force,
        max_age=None if max_age is None else timedelta(days=max_age),
        relations=read_selection(relations, excluded_relations),
        encrypt_for=read_recipients(recipient, recipients_file),
    )

    async def work(client: GitLabClient) -> Result:
        async with open_place(to, for_writing=True) as store:
            return end(await Backup(client, store, options, group=group).run(selection, json=json), json=json)

    with_client(work, server, json=json)


@app.command()
@on_server
def restore(  # noqa: PLR0913  # the options of a command
    place: Place,
    *,
    into: Annotated[str, typer.Option(metavar="GROUP", help="Where to put them.", show_default=False)],
    only: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Only projects whose path was like this.")
    ] = None,
    at: Annotated[datetime | None, typer.Option(help="As they were at this time (UTC).")] = None,
    source: Annotated[str | None, typer.Option(metavar="URL", help="Only those of this server.")] = None,
    strip: Annotated[
        int | None,
        typer.Option(min=0, metavar="NAMES", help="Drop so many names of each path, as tar does."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace projects that are there.")] = False,
    public_key: PublicKey = None,
    identity: IdentityFiles = None,
    relations: Relations = None,
    excluded_relations: ExcludedRelations = None,
    parallel: Parallel = 4,
    timeout: Seconds = DAY,
    server: Server,
    json: JsonOfEach = False,
) -> None:
    """Import the newest archive of each project that backup has kept, a whole one where there is any.

    Projects keep their full path below GROUP, less the group that was backed up; groups that are missing are
    made. What is there is skipped, what an earlier run has begun is followed: run it again after a fault.

    Bytes that are not those that were backed up, or whose files are not those of a Crossdock's manifest,
    break the request off, and nothing is imported. What a Crossdock has made of an archive is held against
    the manifest, too.

    With --json: documents as those of backup.
    """
    from datetime import UTC, timedelta

    from services.cli.age_keys import read_identities
    from services.cli.configuration import settings
    from services.cli.fleet.places import open_place
    from services.cli.fleet.restore import Restore, RestoreOptions, choose
    from services.cli.fleet.runner import end
    from services.cli.known_keys import load_trust
    from services.cli.project_commands import with_client
    from services.cli.relations import read_selection
    from shared.catalogue.archives import read_catalogue
    from shared.settings.archive_limits import archive_limits

    options = RestoreOptions(
        into=into,
        parallel=parallel,
        within=timedelta(seconds=timeout),
        strip=strip,
        overwrite=overwrite,
        relations=read_selection(relations, excluded_relations),
    )

    identities = read_identities(identity)

    async def work(client: GitLabClient) -> Result:
        async with open_place(place) as store:
            catalogue = await read_catalogue(store)
            chosen = choose(catalogue, only=only or (), at=at and at.replace(tzinfo=UTC), source=source)
            restoring = Restore(
                client,
                store,
                options,
                trust=await load_trust(public_key),
                limits=archive_limits(settings()),
                identities=identities,
            )
            return end(await restoring.run(chosen, json=json), json=json)

    with_client(work, server, json=json)


@app.command()
def prune(  # the options of a command
    place: Place,
    *,
    keep_last: Kept = 0,
    keep_daily: Kept = 0,
    keep_weekly: Kept = 0,
    keep_monthly: Kept = 0,
    keep_yearly: Kept = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which they are.")] = False,
    json: Json = False,
) -> None:
    """Remove old archives of each project that backup has kept.

    Kept are so many of the newest, and the newest of so many days, weeks, months and years that have one (in
    UTC); the newest of a project always stays. What dead runs left without a record goes after two days.

    Keys with --json: dry_run, kept (a count), removed (files), bytes.
    """
    from datetime import UTC

    from services.cli.fleet import prune as pruning
    from services.cli.fleet.places import open_place
    from services.cli.output import run

    policy = pruning.read_policy(
        last=keep_last, daily=keep_daily, weekly=keep_weekly, monthly=keep_monthly, yearly=keep_yearly
    )

    async def work() -> Result:
        async with open_place(place) as store:
            return await pruning.prune(store, policy, now=datetime.now(UTC), dry_run=dry_run)

    run(work(), json=json)


@app.command()
def check(
    place: Place,
    *,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read all archives.")] = False,
    read_data_subset: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Read so many of them, at random: 5%.")
    ] = None,
    public_key: PublicKey = None,
    identity: IdentityFiles = None,
    json: JsonOfEach = False,
) -> None:
    """Hold the archives that backup has kept against their records and their manifests.

    Each has its size, and its manifest the digest and the signature; of those that are read, the bytes have
    their digest, and the files those of the manifest. A Crossdock that signs is known from the first backup
    of it on.

    With --json: documents as those of backup; project is the file.
    """
    from services.cli.age_keys import read_identities
    from services.cli.configuration import settings
    from services.cli.fleet.check import Check
    from services.cli.fleet.places import open_place
    from services.cli.fleet.runner import end
    from services.cli.known_keys import load_trust
    from services.cli.output import run
    from shared.catalogue.archives import read_catalogue
    from shared.settings.archive_limits import archive_limits

    share = 1.0 if read_data else _share(read_data_subset)
    identities = read_identities(identity)

    async def work() -> Result:
        trust, limits = await load_trust(public_key), archive_limits(settings())
        async with open_place(place) as store:
            check = Check(store, share=share, trust=trust, limits=limits, identities=identities)
            return end(await check.run(await read_catalogue(store), json=json), json=json)

    run(work(), json=json)


def _share(percent: str | None) -> float:
    """Read ``5%``. Raises UsageError."""
    if percent is None:
        return 0.0
    try:
        share = float(percent.removesuffix("%")) / 100
    except ValueError:
        share = -1
    if not (percent.endswith("%") and 0 < share <= 1):
        raise UsageError(f"--read-data-subset takes a percentage such as 5%, not {percent!r}")
    return share


@app.command()
def copy(  # noqa: PLR0913  # the options of a command
    names: Annotated[
        list[str],
        typer.Argument(metavar="[SRC:PROJECT]... DST:GROUP", help="SRC and DST are profiles of login."),
    ],
    *,
    group: Annotated[
        str | None, typer.Option(metavar="SRC:GROUP", help="All projects of this group and below.")
    ] = None,
    match: Match = None,
    changed_since: ChangedSince = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace projects that are there.")] = False,
    counts: Annotated[bool, typer.Option(help="Count records on both sides afterwards.")] = True,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what came of each, as CSV or JSON.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    relations: Relations = None,
    excluded_relations: ExcludedRelations = None,
    parallel: Parallel = 4,
    timeout: Seconds = DAY,
    retries: Retries = ATTEMPTS - 1,
    json: JsonOfEach = False,
) -> None:
    """Copy projects from one server to another, each a GitLab or a Crossdock.

    Archives go through memory alone, from the download into the upload. With --group projects keep their path
    below it, and missing groups are made. What is there is skipped, what an earlier run began is followed.

    Relations are selected by the source, or by the target where that is a GitLab: one of both has to be a
    Crossdock.

    With --json: a document a project (as those of backup, with target, source_counts, target_counts,
    differences), then one of all. With --dry-run: projects (project, target, action, bytes, fits), limits,
    warnings.
    """
    from services.cli.fleet.copy_command import run_copy
    from services.cli.relations import read_selection

    configured.set(retries)
    run_copy(
        names,
        group=group,
        selection=select(match=match, changed_since=changed_since),
        overwrite=overwrite,
        counts=counts,
        relations=read_selection(relations, excluded_relations),
        file=report,
        dry_run=dry_run,
        parallel=parallel,
        seconds=timeout,
        json=json,
    )


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
