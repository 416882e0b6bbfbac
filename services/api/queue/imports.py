"""``import.requested``: an archive behind a URL, in a bucket, or in our own store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

from services.api import imports, rate_limits, remote_imports
from services.api.dependencies import Dependencies
from services.api.http.errors import Forbidden, Refused, TooLarge
from services.api.http.parameters import Checker
from services.api.imports import Archive, ImportRequest
from services.api.queue.models import Command, Effect
from services.api.remote_archives import RemoteArchives
from shared.database.pool import Connection
from shared.errors import ObjectMissing
from shared.jobs.models import Job
from shared.ledger import objects
from shared.projects.models import Project
from shared.settings.environment import MIB
from shared.storage.errors import KeyInvalid

INCOMING = "incoming"
"""What the key of an object that others put into our store begins with; then comes which of the broker's
users may have it imported. Everything else is nobody's."""

_SOURCES = ("url", "s3", "key")

Take: TypeAlias = Callable[[Connection], Awaitable[Archive]]
"""Takes an archive over, in the transaction of its import."""

Find: TypeAlias = Callable[[Dependencies, Command], Awaitable[Take]]
"""Looks for an archive, and changes nothing."""


async def import_requested(dependencies: Dependencies, command: Command) -> Effect:
    """Check as the request by HTTP is checked: what for, how often, which archive, and where it goes."""
    pool, caller, settings = dependencies.pool, command.actor, command.settings
    wanted, find = _read(command.event.data)
    imports.require_enabled(settings)
    if limit := settings.project_import_limit:
        rate_limits.refuse_over(await rate_limits.use(pool, "project_import", caller.id, limit=limit))
    await imports.look_ahead(pool, caller, wanted)
    take = await find(dependencies, command)
    to = await imports.place(pool, caller, wanted)

    async def schedule(db: Connection) -> tuple[Project, Job]:
        archive = await take(db)
        return await imports.schedule(db, caller, wanted, to=to, archive=archive, origin=command.origin)

    return schedule


def _read(given: Mapping[str, object]) -> tuple[ImportRequest, Find]:
    """Read it in the words of the requests by HTTP, with ``source`` in place of its parameters."""
    checker = Checker(given)
    source = checker.mapping("source")
    named = [name for name in _SOURCES if source.get(name) is not None]
    if len(named) != 1:
        checker.problem("source", f"must have exactly one of {', '.join(_SOURCES)}")
    checker.finish()
    rest = {name: value for name, value in given.items() if name not in ("url", "bucket_name", "source")}
    match named[0]:
        case "url":
            return _remote(remote_imports.read({**rest, "url": source["url"]}))
        case "s3":
            bucket = Checker(source, prefix="source").mapping("s3")
            return _remote(remote_imports.read_s3({**rest, **bucket}))
        case _:
            return _own(Checker(rest), source)


def _remote(read: tuple[ImportRequest, remote_imports.Find]) -> tuple[ImportRequest, Find]:
    wanted, find = read

    async def look(dependencies: Dependencies, command: Command) -> Take:
        archives = RemoteArchives(dependencies.config.remote_imports, command.settings)
        found = Archive(source=await find(archives))

        async def take(_db: Connection) -> Archive:
            return found

        return take

    return wanted, look


def _own(checker: Checker, source: Mapping[str, object]) -> tuple[ImportRequest, Find]:
    checker.require("path", or_null=True)
    own = Checker(source, prefix="source")
    key = own.text("key") or ""
    if not key.startswith(f"{INCOMING}/"):
        own.problem("key", f"does not begin with {INCOMING}/")
    checker.problems += own.problems
    return imports.read_request(checker), partial(_stored, key)


async def _stored(key: str, dependencies: Dependencies, command: Command) -> Take:
    """Look for an object of the sender's. Raises 400, 403, 413 and 422; to take it over raises 409."""
    imports.require_archive_name(key)
    if not key.startswith(f"{INCOMING}/{command.sender}/"):
        raise Forbidden(f"{command.sender} may import what is below {INCOMING}/{command.sender}/ alone")
    try:
        size = (await dependencies.store.stat(key)).size
    except (ObjectMissing, KeyInvalid):
        raise Refused(400, f"File not found '{key}'") from None
    limit = command.settings.max_import_size * MIB
    if limit and size > limit:
        raise TooLarge("an import", limit)

    async def take(db: Connection) -> Archive:
        object_id = await objects.adopt(db, key, size=size)
        if object_id is None:
            raise Refused(409, f"'{key}' was imported before, and is being removed")
        return Archive(object_id=object_id)

    return take
