"""Commands on projects: import, export, status, quarantine, people, verify, push."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from services.cli.errors import UsageError
from services.cli.options import DAY, ExcludedRelations, Json, Relations, Seconds
from services.cli.server import Server, on_server

if TYPE_CHECKING:
    from services.cli.client import GitLabClient
    from services.cli.results import Result

app = typer.Typer(rich_markup_mode=None)

PeopleOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Who people are elsewhere: CSV or JSON.", show_default=False),
]
ProjectArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="PROJECT", help="Its id, or group/name.", show_default=False)
]


class UploadMethod(Enum):
    """Methods by which a server sends an archive."""

    PUT = "PUT"
    POST = "POST"


@app.command(name="import")
@on_server
def import_(  # noqa: PLR0913  # the options of a command
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL|s3://BUCKET/KEY",
            help="An archive that ends in .gz, - for stdin; or where the server fetches it from.",
            show_default=False,
        ),
    ],
    *,
    path: Annotated[str, typer.Option(help="group/name of the new project.", show_default=False)],
    server: Server,
    name: Annotated[str | None, typer.Option(help="Name of the project; its path by default.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a project that has this path.")
    ] = False,
    override: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Replace an attribute of the project.")
    ] = None,
    people: PeopleOption = None,
    members: Annotated[
        bool, typer.Option("--members", help="Make users members who were members of the archive.")
    ] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Send the file straight into the bucket of a Crossdock.")
    ] = False,
    relations: Relations = None,
    excluded_relations: ExcludedRelations = None,
    wait: Annotated[bool, typer.Option(help="Wait until the import ends.")] = True,
    timeout: Seconds = DAY,
    json: Json = False,
) -> None:
    """Import an archive as a new project.

    A file is uploaded. One over 64 MiB goes to a Crossdock in chunks: a connection that breaks costs a chunk
    at most, and the same command goes on where it was, after Ctrl-C as well. Standard input and FIFOs are
    sent as they come, and only once: a connection that breaks ends the command. What is at an https://
    address, or in a bucket, is fetched by the server; for a bucket the keys and the region are those of
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and are sent to it.

    Relations are those of GitLab's records (issues, merge_requests, ...), and for files repository,
    wiki_repository, design_repository, snippets_repository, uploads and lfs_objects.

    Keys with --json: project (id, path_with_namespace), job (its number, null at a GitLab), state, error,
    error_code (null where a GitLab's import failed), failed_relations (relation_name, line_number,
    exception_class, exception_message).
    """
    from services.cli import imports
    from services.cli.people import read_map
    from services.cli.relations import read_selection
    from services.cli.remote_source import remote_source

    text = None if people is None else read_map(people)
    selection = read_selection(relations, excluded_relations)

    async def work(client: GitLabClient) -> Result:
        to = imports.import_request(path, name=name, overwrite=overwrite, override=override or ())
        to = replace(to, people=text, import_members=members, selection=selection)
        within = timedelta(seconds=timeout) if wait else None
        if source := remote_source(file):
            if direct:
                raise UsageError("--direct takes a file, and the server fetches this archive")
            return await imports.import_remote(client, source, to, within=within)
        return await imports.import_project(client, Path(file), to, within=within, direct=direct)

    with_client(work, server, json=json)


@app.command()
@on_server
def import_git(
    repository: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="https://host/group/name.git", show_default=False)
    ],
    *,
    path: Annotated[str, typer.Option(help="group/name of the new project.", show_default=False)],
    server: Server,
    name: Annotated[str | None, typer.Option(help="Name of the project; its path by default.")] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="user:password for ADDRESS, or a token alone.", show_default=False),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the import ends.")] = True,
    timeout: Seconds = DAY,
    json: Json = False,
) -> None:
    """Import a git repository as a new project: the server fetches it, with its wiki and its LFS objects.

    Keys with --json: project (id, path_with_namespace), job (its number, null at a GitLab), state, error,
    error_code (null where a GitLab's import failed), failed_relations (relation_name, line_number,
    exception_class, exception_message).
    """
    from services.cli import imports

    async def work(client: GitLabClient) -> Result:
        to = imports.import_request(path, name=name, overwrite=False, override=())
        within = timedelta(seconds=timeout) if wait else None
        address = imports.with_credentials(repository, credentials)
        return await imports.import_repository(client, address, to, within=within)

    with_client(work, server, json=json)


@app.command()
@on_server
def import_github(  # noqa: PLR0913  # the options of a command
    repository: Annotated[
        str,
        typer.Argument(
            metavar="OWNER/REPO",
            help="A repository, the address of its page, or its number.",
            show_default=False,
        ),
    ],
    *,
    path: Annotated[str, typer.Option(help="group/name of the new project.", show_default=False)],
    server: Server,
    credentials: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with a token of GitHub.", show_default=False)
    ] = None,
    credentials_command: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="A command that prints one: gh auth token.", show_default=False),
    ] = None,
    enterprise: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An Enterprise Server, not github.com, unless the address of the repository names it.",
            show_default=False,
        ),
    ] = None,
    attachments: Annotated[bool, typer.Option("--attachments", help="Import the files in texts.")] = False,
    collaborators: Annotated[
        bool, typer.Option("--collaborators", help="Make members of collaborators.")
    ] = False,
    release_assets: Annotated[
        bool, typer.Option("--release-assets", help="Import the files of releases (Crossdock).")
    ] = False,
    single_endpoint_notes: Annotated[
        bool,
        typer.Option("--single-endpoint-notes", help="Ask for comments on lines by pull request."),
    ] = False,
    people: PeopleOption = None,
    wait: Annotated[bool, typer.Option(help="Wait until the import ends.")] = True,
    timeout: Seconds = DAY,
    json: Json = False,
) -> None:
    """Import a repository of GitHub as a new project: the server fetches it, with issues and pull requests.

    The token is sent to GitHub, for the number of the repository, and to the server, which reads with it.
    Without an option, it comes from GH_TOKEN or GITHUB_TOKEN, or for an Enterprise Server from
    GH_ENTERPRISE_TOKEN or GITHUB_ENTERPRISE_TOKEN.

    Keys with --json: project (id, path_with_namespace), job (its number, null at a GitLab), state, error,
    error_code (null where a GitLab's import failed), failed_relations (relation_name, line_number,
    exception_class, exception_message), stats (fetched and imported, by type; null before the first).
    """
    from services.cli import github_imports as github
    from services.cli.people import read_map

    text = None if people is None else read_map(people)

    async def work(client: GitLabClient) -> Result:
        hub = github.hub_of(repository, enterprise=enterprise)
        token = github.find_token(credentials, credentials_command, enterprise=hub)
        wanted = github.GitHubRepository(name=repository, enterprise=hub, token=token)
        stages = {
            "attachments_import": attachments,
            "collaborators_import": collaborators,
            "release_assets_import": release_assets,
            "single_endpoint_notes_import": single_endpoint_notes,
        }
        within = timedelta(seconds=timeout) if wait else None
        return await github.import_from_github(
            client, wanted, path, stages=stages, within=within, people=text
        )

    with_client(work, server, json=json)


@app.command()
@on_server
def export(  # noqa: PLR0913  # the options of a command
    project: ProjectArgument,
    *,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="File to write, - for stdout.", show_default=False)
    ] = None,
    upload_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL|@FILE", help="Have the server send the archive there instead.", show_default=False
        ),
    ] = None,
    upload_parts: Annotated[
        str | None,
        typer.Option(
            metavar="@FILE",
            help="Have a Crossdock send it in parts: FILE has JSON with the addresses.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[UploadMethod, typer.Option(help="How the server sends it.")] = UploadMethod.PUT,
    server: Server,
    description: Annotated[str | None, typer.Option(help="Description to write into the archive.")] = None,
    relations: Relations = None,
    excluded_relations: ExcludedRelations = None,
    resume: Annotated[bool, typer.Option(help="Continue a partial download of the same command.")] = True,
    timeout: Seconds = DAY,
    json: Json = False,
) -> None:
    """Export a project, and download its archive or have the server send it to an address.

    One of --output, --upload-url and --upload-parts says where it goes.

    If the connection is lost for good, or after Ctrl-C, the partial download is kept beside FILE as
    FILE.<etag>-<command>.part. The same command then downloads the rest of that archive, as long as the
    server has it, instead of making a new export.

    Relations are named as those of import. What refers to something that is left out is said.

    Whoever has the address of an upload may write there: @FILE keeps it out of the list of processes. A
    Crossdock tells how the upload ended, a GitLab does not. --upload-parts is for archives over 5 GiB: FILE
    has part_size, part_urls, complete_url, and optionally abort_url and get_url, of a multipart upload of S3.

    Keys with --json: project (id, path_with_namespace), job (its number, null at a GitLab or after a partial
    download), state, error, error_code (null where a GitLab's export failed), file (null of an upload),
    bytes, sha256 (null where the server does not tell them).
    """
    from services.cli.exports import ExportOptions, export_project
    from services.cli.relations import read_selection
    from services.cli.upload_target import export_to, parts_target, upload_target

    if [output, upload_url, upload_parts].count(None) != 2:  # noqa: PLR2004  # one of three is there
        raise UsageError("say where the archive goes: --output, --upload-url or --upload-parts, one of them")
    selection = read_selection(relations, excluded_relations)

    async def work(client: GitLabClient) -> Result:
        options = ExportOptions(
            description=description, within=timedelta(seconds=timeout), selection=selection
        )
        if upload_url is not None:
            return await export_to(client, project, upload_target(upload_url, method.value), options)
        if upload_parts is not None:
            return await export_to(client, project, parts_target(upload_parts), options)
        if json and output == "-":
            raise UsageError("--json and --output - would both write to stdout: name a file")
        if output == "-" and sys.stdout.isatty():
            raise UsageError("standard output is a terminal: an archive would go there; name a file")
        target = None if output in {None, "-"} else Path(str(output))
        return await export_project(client, project, target, options, resume=resume)

    with_client(work, server, json=json and output != "-")


@app.command()
@on_server
def status(
    project: Annotated[
        str | None, typer.Argument(metavar="PROJECT", help="Its id, or group/name.", show_default=False)
    ] = None,
    *,
    job: Annotated[int | None, typer.Option(min=1, help="Number of a job, instead of a project.")] = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="List all failed relations, not only 100 (Crossdock).")
    ] = False,
    server: Server,
    json: Json = False,
) -> None:
    """Show the state of a project's import and export, or of one job.

    An export belongs to whoever asked for it, as in GitLab: those of other users are not shown.

    Keys with --json: project (id, path_with_namespace), import (state, error, error_code, failed_relations;
    error_code is null at a GitLab), refused_lines (how many of these lines are refused still; null where no
    line failed, at a GitLab, and if you may not see them), export (state, null if you may not see it). With
    --job these are instead: job (as in GET /api/crossdock/v1/jobs/:id), failed_relations (null without
    --failures).
    """
    from services.cli import job_operations
    from services.cli.project_status import status as read

    async def work(client: GitLabClient) -> Result:
        if (project is None) == (job is None):
            raise UsageError("name a project, or a job by --job")
        if job is not None:
            return await job_operations.job_status(client, job, all_failures=failures)
        return await read(client, project or "", all_failures=failures)

    with_client(work, server, json=json)


@app.command()
@on_server
def quarantine(
    project: ProjectArgument,
    *,
    server: Server,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Download the lines as NDJSON, - for stdout.",
            show_default=False,
        ),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option(
            "--import", metavar="FILE", help="Import repaired lines, - for stdin.", show_default=False
        ),
    ] = None,
    discard: Annotated[bool, typer.Option("--discard", help="Delete the lines.")] = False,
    relation: Annotated[
        str | None, typer.Option(metavar="NAME", help="The lines of this relation alone.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Show the lines that were refused of a project, or repair them (Crossdock).

    A download has each line as text in "record", or in "record_base64" where it is not UTF-8, with its id and
    the reason. Change the record and import the file: lines that are records now become content, the others
    stay. The exit code is 1 where any stay.

    Keys with --json: lines, bytes, not_kept, relations (relation, lines, bytes, not_kept, codes), file (null
    without --output), refused_lines (id, relation, line, code, reason, bytes, kept; 1000 at most). With
    --import these are instead: imported, relations (number by name), refused, unknown, lines (as
    refused_lines), error, error_code.
    """
    from services.cli.quarantine import QuarantineClient

    if sum((output is not None, import_ is not None, discard)) > 1:
        raise UsageError("one of --output, --import and --discard can be given")
    if relation is not None and import_ is not None:
        raise UsageError("--relation is not for --import: the lines say whose they are")
    if json and output == "-":
        raise UsageError("--json and --output - would both write to stdout: name a file")

    async def work(client: GitLabClient) -> Result | None:
        known = QuarantineClient(client, project, relation=relation)
        if import_ is not None:
            return await known.repair(import_)
        if discard:
            return await known.discard()
        if output is None:
            return await known.list()
        return await known.download(None if output == "-" else Path(output))

    with_client(work, server, json=json)


@app.command()
@on_server
def people(
    project: ProjectArgument,
    *,
    server: Server,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print a CSV to be filled in, and given as a map.")
    ] = False,
    map_: Annotated[
        Path | None,
        typer.Option(
            "--map", metavar="FILE", help="Set this map, - for stdin: CSV or JSON.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what --map would do.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the map.")] = False,
    namespace: Annotated[
        bool, typer.Option("--namespace", help="PROJECT is a namespace; the map is for all of its projects.")
    ] = False,
    json: Json = False,
) -> None:
    """Show who appears in a project, or say who that is at the GitLab that its exports are for.

    A map has the columns of GitLab's placeholder reassignment.

    Keys with --json: rows (of the map), mapped, without_email, unmapped, unused_rows (null but with
    --dry-run), users (id, username, name, public_email, records, mapped_to; 100 at most with --dry-run).
    """
    from services.cli.people import PeopleClient, PeopleResult, read_map

    if sum((csv, map_ is not None, delete)) > 1 or (csv and json):
        raise UsageError("one of --csv, --map and --delete can be given, and --csv without --json")
    if dry_run and map_ is None:
        raise UsageError("--dry-run is for --map")
    if namespace and not (csv or map_ or delete):
        raise UsageError("--namespace is for --csv, --map and --delete")

    text = None if map_ is None else read_map(map_)

    async def work(client: GitLabClient) -> Result:
        known = PeopleClient(client, project, of_namespace=namespace)
        if text is not None:
            return await known.set_map(text, dry_run=dry_run)
        if delete:
            return await known.delete_map()
        if not csv:
            return await known.list()
        await known.write_csv(of_map=namespace)
        return PeopleResult()

    with_client(work, server, json=json)


@app.command()
@on_server
def verify(  # noqa: PLR0913  # the options of a command
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An archive, - for stdin.", show_default=False)
    ],
    *,
    manifest: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Compare the files with those of this manifest.")
    ] = None,
    public_key: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Require a signature by one of these keys (PEM).")
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL", help="The signature; by default MANIFEST.sig or MANIFEST/signature."
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if a single line would be left out.")
    ] = False,
    for_gitlab: Annotated[
        bool, typer.Option("--for-gitlab", help="Fail unless all records are as GitLab writes them.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List the files too, 1000 at most.")
    ] = False,
    server: Server,
    json: Json = False,
) -> None:
    """Check an archive as an import would, without a server.

    The limits come from the environment, as those of a server do (CROSSDOCK_MAX_...). The exit code is 1 if
    an import would fail, or if the archive does not have the files of the manifest, all of them and no other,
    or if a record is not as GitLab writes it. Lines that an import would leave out are listed, 1000 at most;
    so are differences from GitLab's records. The token is sent to URLs of --url only.

    Keys with --json: file, bytes, sha256, error, error_code, entries, relations (by name: bytes, lines,
    failed), blobs (name, bytes; 1000 at most), blob_count, blob_bytes, notes (counts, by what an import goes
    on after), contents (by part: announced, came, missing, unannounced, partial), failed_relations (1000 at
    most), failure_count, manifest (sha256, signed, and of missing, extra, differing: count, names; 1000 at
    most), for_gitlab (null without that option; count, faults: field, message, relation and line from 0, both
    null for the project itself, number, effect: fails_import, drops_record, drops_nested, renumbers, ignores
    or differs; 1000 at most; partial: relations whose numbers are not all compared).
    """
    from msgspec.structs import asdict

    from services.cli.configuration import settings
    from services.cli.gitlab_shape import ShapeInspection
    from services.cli.manifest_comparison import load_comparison
    from services.cli.manifest_source import ManifestSource
    from services.cli.output import run
    from services.cli.results import VerificationListing
    from services.cli.verification import verify as read
    from shared.settings.archive_limits import archive_limits

    if manifest is None and (public_key or signature):
        raise UsageError("--public-key and --signature are for a --manifest")
    source = manifest and ManifestSource(
        manifest=manifest, signature=signature, public_key=public_key, server=server
    )

    async def result() -> Result:
        limits = archive_limits(settings())
        comparison = await load_comparison(source, most=limits.entries) if source else None
        shape = ShapeInspection(limits) if for_gitlab else None
        found = await read(file, limits=limits, strict=strict, comparison=comparison, shape=shape)
        return VerificationListing(**asdict(found)) if verbose else found

    run(result(), json=json)


@app.command()
@on_server
def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An unpacked archive.", show_default=False)],
    project: ProjectArgument,
    *,
    from_current: Annotated[
        bool, typer.Option("--from-current", help="Send only files that differ from the project's.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Commit even if the project has changed meanwhile.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Do not commit if lines would be left out.")
    ] = False,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Number of requests to send at a time.")] = 4,
    server: Server,
    json: Json = False,
) -> None:
    """Replace the content of an existing project by an unpacked archive.

    Keys with --json: snapshot (id, state, entries, bytes; null if nothing was committed), error,
    error_code, failure_count, failed_relations (100 at most).
    """
    from services.cli import push as pushing
    from services.cli.output import run
    from services.cli.snapshots import connect

    options = pushing.PushOptions(from_current=from_current, force=force, strict=strict, parallel=parallel)

    async def work() -> Result:
        async with connect(server.url, server.required_token(), project) as client:
            return await pushing.push(client, folder, options)

    run(work(), json=json)


def with_client(
    work: Callable[[GitLabClient], Awaitable[Result | None]], server: Server, *, json: bool
) -> None:
    """Run ``work`` with a client of the server and print its result."""
    from services.cli.client import connect
    from services.cli.output import run

    async def result() -> Result | None:
        async with connect(server.url, server.required_token()) as client:
            return await work(client)

    run(result(), json=json)
