"""The commands ``crossdock destinations``, which work with a Crossdock only."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from services.cli.help import WholeHelp
from services.cli.options import DAY, Json, Recipient, RecipientsFile, Seconds
from services.cli.project_commands import with_client
from services.cli.server import Server, on_server

app = typer.Typer(
    cls=WholeHelp,
    help="Buckets, and other GitLabs and Crossdocks, that projects are sent to or come from.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)]
_Found: TypeAlias = Annotated[
    str, typer.Argument(metavar="DESTINATION", help="Its id or its name.", show_default=False)
]
_Web: TypeAlias = Annotated[str, typer.Argument(metavar="URL", help="The web site.", show_default=False)]
_Project: TypeAlias = Annotated[
    str, typer.Argument(metavar="PROJECT", help="Id, or group/name.", show_default=False)
]
_TokenOf: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--token-of", metavar="FILE", help="Read its token from here, or CROSSDOCK_DESTINATION_TOKEN."
    ),
]
_Below: TypeAlias = Annotated[
    str | None, typer.Option(metavar="GROUP", help="The group there below which projects go.")
]
_Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace a project that is there.")]
_Path: TypeAlias = Annotated[str | None, typer.Option(help="Another path of the project.")]
_Wait: TypeAlias = Annotated[bool, typer.Option("--wait", help="Wait until the job ends.")]


@app.command("list")
@on_server
def list_(*, server: Server, json: Json = False) -> None:
    """List your destinations.

    Keys with --json: destinations (each with id, name, kind and where it is).
    """
    from services.cli.destinations import DestinationClient

    with_client(lambda client: DestinationClient(client).list(), server, json=json)


@app.command()
@on_server
def create_gitlab(
    name: _Name,
    web: _Web,
    *,
    token_of: _TokenOf = None,
    namespace: _Below = None,
    overwrite: _Overwrite = False,
    server: Server,
    json: Json = False,
) -> None:
    """Name a GitLab, with a token for it that has the scope api.

    Keys with --json: destination.
    """
    _create_peer("gitlab", name, web, token_of, namespace, overwrite=overwrite, server=server, json=json)


@app.command()
@on_server
def create_crossdock(
    name: _Name,
    web: _Web,
    *,
    token_of: _TokenOf = None,
    namespace: _Below = None,
    overwrite: _Overwrite = False,
    server: Server,
    json: Json = False,
) -> None:
    """Name another Crossdock, with a token for it that has the scope api.

    Keys with --json: destination.
    """
    _create_peer("crossdock", name, web, token_of, namespace, overwrite=overwrite, server=server, json=json)


def _create_peer(  # the options of a command
    kind: str,
    name: str,
    web: str,
    token_of: Path | None,
    namespace: str | None,
    *,
    overwrite: bool,
    server: Server,
    json: bool,
) -> None:
    from services.cli.destinations import DestinationClient, read_token

    fields = {
        "kind": kind,
        "name": name,
        "url": web,
        "namespace": namespace,
        "overwrite": overwrite,
        "token": read_token(token_of),
    }
    with_client(lambda client: DestinationClient(client).create(fields), server, json=json)


@app.command()
@on_server
def create_s3(  # noqa: PLR0913  # the options of a command
    name: _Name,
    bucket: Annotated[str, typer.Argument(metavar="BUCKET", help="Its name.", show_default=False)],
    *,
    endpoint: Annotated[str | None, typer.Option(help="URL of a server other than AWS.")] = None,
    region: Annotated[str | None, typer.Option(help="The region.")] = None,
    prefix: Annotated[str | None, typer.Option(help="What all keys begin with.")] = None,
    recipient: Recipient = None,
    recipients_file: RecipientsFile = None,
    credentials: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The keys, as in ~/.aws/credentials; - is stdin.", show_default=False
        ),
    ] = None,
    server: Server,
    json: Json = False,
) -> None:
    """Name a bucket of S3. The server seals its keys, and shows them to nobody.

    Without --credentials they are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment. With
    recipients, schedules send archives and manifests as age files, which only the owners of these decrypt.

    Keys with --json: destination.
    """
    from services.cli.age_keys import read_recipients
    from services.cli.destinations import DestinationClient, read_keys

    place = {"bucket": bucket, "endpoint": endpoint, "region": region, "prefix": prefix}
    keys = list(read_recipients(recipient, recipients_file).names) or None
    fields = {"kind": "s3", "name": name, **place, "recipients": keys, **read_keys(credentials)}
    with_client(lambda client: DestinationClient(client).create(fields), server, json=json)


@app.command("test")
@on_server
def try_(name: _Found, *, server: Server, json: Json = False) -> None:
    """Try a destination: write to a bucket, or ask another server who the token is.

    Keys with --json: destination, version, username, token, scopes, expires_at.
    """
    from services.cli.destinations import DestinationClient

    with_client(lambda client: DestinationClient(client).test(name), server, json=json)


@app.command()
@on_server
def delete(name: _Found, *, server: Server, json: Json = False) -> None:
    """Delete a destination, with its keys. What was sent there stays.

    Keys with --json: destination.
    """
    from services.cli.destinations import DestinationClient

    with_client(lambda client: DestinationClient(client).delete(name), server, json=json)


@app.command("import")
@on_server
def import_(  # noqa: PLR0913  # the options of a command
    name: _Found,
    project: _Project,
    *,
    path: _Path = None,
    namespace: Annotated[str | None, typer.Option(help="Where it goes here, id or full path.")] = None,
    overwrite: _Overwrite = False,
    wait: _Wait = False,
    timeout: Seconds = DAY,
    server: Server,
    json: Json = False,
) -> None:
    """Have another GitLab or Crossdock export a project, and import it here.

    Keys with --json: job (as in GET /api/crossdock/v1/jobs/:id), error, error_code.
    """
    fields = {"project": project, "path": path, "namespace": namespace, "overwrite": overwrite}
    _move("import", name, fields, timeout if wait else None, server, json=json)


@app.command()
@on_server
def export(  # noqa: PLR0913  # the options of a command
    name: _Found,
    project: _Project,
    *,
    path: _Path = None,
    namespace: _Below = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a project there, whatever the destination says.")
    ] = False,
    wait: _Wait = False,
    timeout: Seconds = DAY,
    server: Server,
    json: Json = False,
) -> None:
    """Send a project to another GitLab or Crossdock, which imports it.

    Keys with --json: job (as in GET /api/crossdock/v1/jobs/:id), error, error_code.
    """
    fields = {"project": project, "path": path, "namespace": namespace, "overwrite": overwrite or None}
    _move("export", name, fields, timeout if wait else None, server, json=json)


def _move(  # what both have
    verb: str,
    name: str,
    fields: Mapping[str, object],
    timeout: int | None,
    server: Server,
    *,
    json: bool,
) -> None:
    from services.cli.destinations import DestinationClient

    within = None if timeout is None else timedelta(seconds=timeout)
    with_client(
        lambda client: DestinationClient(client).move(verb, name, fields, within=within), server, json=json
    )
