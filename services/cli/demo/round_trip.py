"""Runs the demonstration."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.cli import imports
from services.cli.archive_source import find_size
from services.cli.client import GitLabClient, ImportRequest, ImportStatusAnswer, RelationFailure, connect
from services.cli.demo.archive import LFS_MIB, write_archive
from services.cli.demo.contents import Contents, differences, read_contents
from services.cli.demo.server import temporary_standalone
from services.cli.errors import FileUnwritable, JobFailed, UsageError
from services.cli.exports import ExportOptions, export_project
from services.cli.terminal import print_result, print_table, say

_WITHIN = timedelta(hours=24)
_PROJECT = "demo"
_MOST_FAILURES = 100
"""GitLab's API lists no more failed relations."""

_SHOWN = 10

_KEPT = (
    "The standalone goes on at {server.url}, with the project root/{project}.",
    "Sign in as root with the token {server.token}",
    "End it: kill {server.pid}",
    "Remove what it has once it has ended: rm -r {folder}",
)


class RoundTripDiffers(JobFailed):
    """The exported archive differs from the imported one."""

    code = "round_trip_differs"

    def __init__(self, found: list[str]) -> None:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        super().__init__(f"the round trip differs: {'; '.join(found[:_SHOWN])}{more}")


@dataclass(frozen=True, slots=True)
class _RoundTrip:
    """The result: the last status of the import, the seconds of import and export, the export's SHA-256."""

    imported: ImportStatusAnswer
    import_seconds: float
    export_seconds: float
    digest: str | None


async def run(archive: Path | None, *, keep: bool = False) -> None:
    """Import and export ``archive``, or a generated one, and print the result. Raises RoundTripDiffers.

    The standalone with the project is ended and removed, unless it is to be kept and all went well.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # raises, so that cleanup runs
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="crossdock-demo-"))
        stack.callback(shutil.rmtree, folder)
        source = await asyncio.to_thread(_generate, folder) if archive is None else archive
        imports.check_archive(source)
        if find_size(source) is None:
            raise UsageError(f"{source} is read twice: name a file")
        data = folder / "data"
        data.mkdir()
        say("Starting standalone: embedded Postgres, in-process broker, files")
        async with (
            temporary_standalone(data, keep=keep) as server,
            connect(server.url, server.token, directly=True) as client,
        ):
            trip = await _move(client, source, folder / "export.tar.gz")
            say("Comparing what went in with what came out")
            await asyncio.to_thread(_compare, source, folder / "export.tar.gz", trip)
        if keep:
            stack.pop_all()
            for line in _KEPT:
                print_result(line.format(server=server, folder=folder, project=_PROJECT))


def write_sample(target: Path, *, mib: int | None) -> None:
    """Write the archive that the demonstration generates, with LFS objects of ``mib`` MiB.

    Raises FileUnwritable.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        with tempfile.TemporaryDirectory(prefix="crossdock-demo-") as folder:
            write_archive(part, Path(folder), mib=mib or LFS_MIB)
        part.replace(target)
    except OSError as error:
        raise FileUnwritable(target, error) from None
    finally:
        with suppress(OSError):
            part.unlink()
    say(f"{target} is the archive of a {'small' if mib is None else 'large'} project")


def _generate(folder: Path) -> Path:
    say("Making an archive")
    repository = folder / "repository"
    repository.mkdir()
    target = folder / "demo_export.tar.gz"
    write_archive(target, repository)
    return target


async def _move(client: GitLabClient, source: Path, target: Path) -> _RoundTrip:
    started = time.monotonic()
    scheduled = await imports.upload(client, source, ImportRequest(_PROJECT))
    imported = await imports.follow_import(client, scheduled, within=_WITHIN)
    between = time.monotonic()
    options = ExportOptions(description=None, within=_WITHIN)
    exported = await export_project(client, imported.id, target, options, resume=False)
    return _RoundTrip(imported, between - started, time.monotonic() - between, exported.sha256)


def _compare(source: Path, target: Path, trip: _RoundTrip) -> None:
    before, after = read_contents(source), read_contents(target)
    failures = trip.imported.failed_relations
    failed = {(each.relation_name or "", each.line_number) for each in failures}
    _summarise(before, after, trip, source=source, target=target)
    found = list(differences(before, after, failed=failed, complete=len(failures) < _MOST_FAILURES))
    if found:
        raise RoundTripDiffers(found)
    but = f", but for {len(failures)}{_more(failures)} that the import left out" if failures else ""
    say(f"The round trip is exact{but}: the same files, lines and blobs")


def _more(failures: Sequence[RelationFailure]) -> str:
    """Return a plus where the server lists no more failures than it has listed."""
    return "+" if len(failures) >= _MOST_FAILURES else ""


def _summarise(before: Contents, after: Contents, trip: _RoundTrip, *, source: Path, target: Path) -> None:
    left_out = trip.imported.failed_relations
    rows = (
        ("relations", len(before.lines), len(after.lines)),
        ("lines", before.line_count, after.line_count),
        ("blobs", len(before.blobs), len(after.blobs)),
        ("bytes in files", f"{before.sizes.total():,}", f"{after.sizes.total():,}"),
        ("bytes of archive", f"{source.stat().st_size:,}", f"{target.stat().st_size:,}"),
        ("seconds, with the transfer", f"{trip.import_seconds:.1f}", f"{trip.export_seconds:.1f}"),
        ("left out by the import", f"{len(left_out)}{_more(left_out)}", ""),
    )
    print_table("Round trip", ("", "in", "out"), rows)
    print_table("Digest", ("sha256 of the export",), ((trip.digest,),))
