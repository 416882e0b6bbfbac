"""The types of commands. Each is checked like the HTTP request with the same effect."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from services.api.gitlab.requests.exports import read_order
from services.api.gitlab.requests.github_imports import read_github_source
from services.api.gitlab.requests.imports import read_import, read_remote, read_s3
from services.api.gitlab.requests.named_repositories import read_named_source
from services.api.http.large_fields import read_fields
from services.api.http.parameters import ParameterReader
from services.api.queue.models import Command, Effect
from shared.database.pool import Connection
from shared.usecases.archive_sources import INCOMING, ArchiveSource, GitUrl, StoredKey
from shared.usecases.exports import Exports
from shared.usecases.imports import ImportRequest, ScheduledJob
from shared.usecases.jobs import Jobs
from shared.usecases.remote_imports import RemoteImports

_SOURCES = ("url", "s3", "key", "git", "github")


class ImportCommand:
    """``import.requested``: imports an archive from a URL, a bucket or our storage, or a repository.

    Of GitHub it takes the issues and pull requests as well.
    """

    def __init__(self, imports: RemoteImports) -> None:
        self._imports = imports

    async def check(self, command: Command) -> Effect:
        """Check the parameters, the rate limit, the archive and the destination."""
        given = command.event.data
        request, source = await read_fields(partial(_read_import, sender=command.sender), given, given)
        ready = await self._imports.prepare(command.actor, request, source)

        async def insert(db: Connection) -> ScheduledJob:
            return await self._imports.insert(db, command.actor, ready, origin=command.origin)

        return insert


def _read_import(given: Mapping[str, object], *, sender: str) -> tuple[ImportRequest, ArchiveSource]:
    """Read the parameters of the HTTP requests, with ``source`` in place of those for the archive."""
    reader = ParameterReader(given)
    source = reader.mapping("source")
    named = [name for name in _SOURCES if source.get(name) is not None]
    if len(named) != 1:
        reader.problem("source", f"must have exactly one of {', '.join(_SOURCES)}")
    reader.finish()
    rest = {name: value for name, value in given.items() if name not in ("url", "bucket_name", "source")}
    match named[0]:
        case "url":
            return read_remote({**rest, "url": source["url"]})
        case "s3":
            bucket = ParameterReader(source, prefix="source").mapping("s3")
            return read_s3({**rest, **bucket})
        case "git":
            return _read_git(ParameterReader(rest), source)
        case "github":
            return _read_github(ParameterReader(rest), source)
        case _:
            return _read_stored(ParameterReader(rest), source, sender=sender)


def _read_stored(
    reader: ParameterReader, source: Mapping[str, object], *, sender: str
) -> tuple[ImportRequest, ArchiveSource]:
    reader.require("path", or_null=True)
    own = ParameterReader(source, prefix="source")
    key = own.text("key") or ""
    if not key.startswith(f"{INCOMING}/"):
        own.problem("key", f"does not begin with {INCOMING}/")
    reader.problems += own.problems
    return read_import(reader), StoredKey(key, sender)


def _read_git(reader: ParameterReader, source: Mapping[str, object]) -> tuple[ImportRequest, ArchiveSource]:
    reader.require("path", or_null=True)
    own = ParameterReader(source, prefix="source")
    url = ParameterReader(own.mapping("git"), prefix="source[git]").text("url") or ""
    reader.problems += own.problems
    return read_import(reader), GitUrl(url)


def _read_github(
    reader: ParameterReader, source: Mapping[str, object]
) -> tuple[ImportRequest, ArchiveSource]:
    reader.require("path", or_null=True)
    own = ParameterReader(source, prefix="source")
    given = own.mapping("github")
    inner = ParameterReader(given, prefix="source[github]")
    inner.exclusive("repository", "repo_id")
    repository = (read_named_source if given.get("repo_id") is None else read_github_source)(inner)
    reader.problems += own.problems or inner.problems
    return read_import(reader), repository


class ExportCommand:
    """``export.requested``: exports a project, if no export of it by the user is under way."""

    def __init__(self, exports: Exports) -> None:
        self._exports = exports

    async def check(self, command: Command) -> Effect:
        """Check the parameters, the project and the rate limit."""
        settings = await self._exports.require_enabled()
        reader = ParameterReader(command.event.data)
        reader.require("project")
        reference = reader.text("project") or ""
        reader.finish()
        exportable = await self._exports.find_exportable(command.actor, reference, settings=settings)
        order = read_order(command.event.data)
        await self._exports.check(exportable, order)

        async def insert(db: Connection) -> ScheduledJob:
            return await self._exports.insert(db, exportable, order, origin=command.origin)

        return insert


class CancelCommand:
    """``job.cancel``: cancels a job."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def check(self, command: Command) -> Effect:
        """Check that the job exists and that the actor may see it."""
        reader = ParameterReader(command.event.data)
        reader.require("job")
        number = reader.integer("job")
        reader.finish()
        await self._jobs.show(command.actor, number)

        async def cancel(db: Connection) -> ScheduledJob:
            return await self._jobs.cancel_within(db, command.actor, number)

        return cancel
