"""The commands ``crossdock admin`` and ``crossdock dead-letters``."""

# ruff: noqa: PLC0415  # a command imports what it needs when it runs: --help stays quick

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from services.cli.help import WholeHelp
from services.cli.options import Data, Json

if TYPE_CHECKING:
    from services.cli.results import Result
    from shared.broker.base import Broker
    from shared.database.pool import Pool

app = typer.Typer(
    cls=WholeHelp,
    help="Users, tokens, groups, members, sealed secrets and the store, straight in the database.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
dead_letters = typer.Typer(
    cls=WholeHelp,
    help="Messages that could not be processed, straight in RabbitMQ, which a standalone has not.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Role(Enum):
    """GitLab's roles of group members."""

    GUEST = "guest"
    PLANNER = "planner"
    REPORTER = "reporter"
    DEVELOPER = "developer"
    MAINTAINER = "maintainer"
    OWNER = "owner"


class TokenScope(Enum):
    """Scopes of tokens."""

    API = "api"
    READ_API = "read_api"


class QueueName(Enum):
    """Queues: one for each kind of job, and one for commands of other systems."""

    IMPORT = "import"
    EXPORT = "export"
    RELATION_IMPORT = "relation_import"
    UPLOAD = "upload"
    REMOTE_IMPORT = "remote_import"
    SMALL_IMPORT = "small_import"
    GIT_IMPORT = "git_import"
    GITHUB_IMPORT = "github_import"
    PEER_IMPORT = "peer_import"
    PEER_EXPORT = "peer_export"
    BACKUP = "backup"
    COMMANDS = "commands"


_QUEUES = f"One of {', '.join(each.value for each in QueueName)}."
Queue: TypeAlias = Annotated[QueueName, typer.Argument(metavar="QUEUE", help=_QUEUES, show_default=False)]
Username: TypeAlias = Annotated[str, typer.Argument(metavar="USERNAME", show_default=False)]
GroupPath: TypeAlias = Annotated[
    str, typer.Argument(metavar="GROUP", help="name, or parent/name.", show_default=False)
]


@app.command()
def create_user(
    username: Username,
    *,
    name: Annotated[str | None, typer.Option(help="The name that people read.")] = None,
    email: Annotated[str | None, typer.Option()] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make the user an administrator.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Create a user, with a personal namespace.

    Keys with --json: id, username, name, is_admin.
    """
    from services.cli.admin import add_user

    _with_database(data, lambda db: add_user(db, username, name=name, email=email, is_admin=admin), json=json)


@app.command()
def create_token(
    username: Username,
    *,
    name: Annotated[str, typer.Option(help="Name of the token.")] = "cli",
    scope: Annotated[TokenScope, typer.Option(help="Scope of the token.")] = TokenScope.API,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Create a token and print it. It cannot be shown again.

    Keys with --json: token, username, name, scopes, expires_at.
    """
    from services.cli.admin import add_token
    from shared.accounts.models import Scope

    _with_database(
        data, lambda db: add_token(db, username, name=name, scope=Scope(scope.value), days=days), json=json
    )


@app.command()
def create_group(
    path: GroupPath,
    *,
    name: Annotated[str | None, typer.Option(help="The name that people read.")] = None,
    owner: Annotated[str | None, typer.Option(help="Username of the owner.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Create a group.

    Keys with --json: id, full_path, name.
    """
    from services.cli.admin import add_group

    _with_database(data, lambda db: add_group(db, path, name=name, owner=owner), json=json)


@app.command()
def add_member(
    path: GroupPath,
    username: Username,
    *,
    role: Annotated[Role, typer.Option(help="Role of the member.")] = Role.MAINTAINER,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a user to a group, or change the role of a member.

    Keys with --json: group, username, role.
    """
    from services.cli.admin import add_group_member
    from shared.accounts.models import AccessLevel

    _with_database(
        data, lambda db: add_group_member(db, path, username, level=AccessLevel[role.name]), json=json
    )


@app.command()
def list_users(*, data: Data = None, json: Json = False) -> None:
    """List all users.

    Keys with --json: users (id, username, name, is_admin).
    """
    from services.cli.admin import all_users

    _with_database(data, all_users, json=json)


@app.command()
def rotate_secrets(*, data: Data = None, json: Json = False) -> None:
    """Seal all secrets in the database with the first key of CROSSDOCK_SECRETS_KEY.

    Keys with --json: renewed, unreadable (by the id of the missing key), unused_keys.
    """
    from services.cli.admin import rotate_secrets as rotate
    from services.cli.configuration import settings
    from services.cli.wiring import secrets_sealer

    sealer = secrets_sealer(settings(), data)
    _with_database(data, lambda db: rotate(db, sealer), json=json)


@app.command()
def check(
    *,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read all objects, and compare their bytes.")
    ] = False,
    read_data_subset: Annotated[
        str | None, typer.Option(metavar="N%|n/t", help="Read a random part, or part n of t.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Leave orphans to the collector, and mark damaged objects.")
    ] = False,
    start: Annotated[int, typer.Option(min=0, metavar="ID", help="Go on with the object of this id.")] = 0,
    data: Data = None,
    json: Json = False,
) -> None:
    """Check that the store has what the database says, beside running services.

    Without --read-data it compares the sizes of all objects, finds what the store has beside them, and
    compares what the database says in one place with what it says in another. With it, it also compares
    CRC-32 and SHA-256 of the objects and of all that is in them, and the numbers of records.

    Each finding is a line: its kind, what it is about, and the reason. The exit code is 1 if there is any.
    Nothing is changed without --repair, and nothing that a project names is ever deleted: an orphan is
    removed a grace time later (CROSSDOCK_COLLECT_GRACE_SECONDS); exports of a damaged object fail at once,
    and the same content is stored anew when it is imported again.

    Keys with --json: error, error_code, objects, read (how many of them), bytes (of those), counts (by kind),
    findings (kind, object, snapshot, entry, reason, repaired; 1000 at most).
    """
    from datetime import timedelta

    from services.cli import store_check as checking
    from services.cli.configuration import settings
    from services.cli.wiring import object_store

    chosen = settings()
    is_read = checking.choose(read_data=read_data, subset=read_data_subset)

    async def work(db: Pool) -> Result:
        async with object_store(chosen, data) as store:
            return await checking.check(
                db, store, is_read=is_read, first=start, repairs=repair,
                grace=timedelta(seconds=chosen.collect_grace_seconds),
                found=checking.say_nothing if json else checking.print_finding,
            )  # fmt: skip

    _with_database(data, work, json=json)


@dead_letters.command(name="list")
def list_(queue: Queue, *, json: Json = False) -> None:
    """List the dead letters of a queue, without removing them.

    Keys with --json: queue, dead_letters (id, reason, body).
    """
    from services.cli.dead_letters import list_dead_letters

    _with_broker(lambda broker: list_dead_letters(broker, queue.value), json=json)


@dead_letters.command()
def replay(queue: Queue, *, json: Json = False) -> None:
    """Put the dead letters of a queue back into it.

    Keys with --json: queue, replayed.
    """
    from services.cli.dead_letters import replay_dead_letters

    _with_broker(lambda broker: replay_dead_letters(broker, queue.value), json=json)


def _with_database(data: Path | None, work: Callable[[Pool], Awaitable[Result]], *, json: bool) -> None:
    from services.cli.configuration import settings
    from services.cli.output import run
    from services.cli.wiring import accounts_database

    async def result() -> Result:
        async with accounts_database(settings(), data) as db:
            return await work(db)

    run(result(), json=json)


def _with_broker(work: Callable[[Broker], Awaitable[Result]], *, json: bool) -> None:
    from services.cli.configuration import settings
    from services.cli.output import run
    from services.cli.wiring import broker

    async def result() -> Result:
        async with broker(settings()) as opened:
            return await work(opened)

    run(result(), json=json)
