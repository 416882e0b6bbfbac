"""``crossdock`` that ends itself by SIGKILL at one point of its work, as a power cut would.

The environment names the point by ``KILLED_AT``. Each point wraps one function of the product, which knows
nothing of that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import wraps
from itertools import count
from typing import Any, NoReturn

from services.cli.__main__ import main as crossdock
from services.exporter import backup
from services.exporter.exporter import Exporter
from services.exporter.peer_export import PeerExporter
from services.importer.importer import Importer
from shared.git.smart_http import RemoteRepository
from shared.github_import.fetcher import Fetcher
from shared.github_import.pages import PageStore
from shared.github_import.uploads import UploadEvents
from shared.jobs import claims, sent_parts, store
from shared.peer_transfers.transfers import Transfers
from shared.remote.client import RemoteClient
from shared.restore.sources import PiecedArchive
from shared.snapshots.pack import Pack
from shared.snapshots.sinks import LargeBlob, RelationSink
from shared.storage.s3_presigned import S3Presigned
from shared.uploads import store as pieces
from shared.uploads.writing import PieceWriter
from shared.usecases.job_queue import JobQueue
from tests.support.preloaded import CrossdockProcess

POINT = "KILLED_AT"

_PAGES = 10

Wrapped = Callable[..., Any]


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError  # nobody outlives that


def _after(owner: object, name: str, *, when: Callable[[Any], bool] = lambda _: True) -> None:
    """Die once a coroutine function has given what ``when`` asks for."""
    function: Wrapped = getattr(owner, name)

    @wraps(function)
    async def fatal(*args: Any, **more: Any) -> Any:
        given = await function(*args, **more)
        if when(given):
            _die()
        return given

    setattr(owner, name, fatal)


def _before(owner: object, name: str) -> None:
    """Die instead of a call of a function."""

    @wraps(getattr(owner, name))
    def fatal(*args: Any, **more: Any) -> Any:
        _die()

    setattr(owner, name, fatal)


def _after_claim() -> None:
    _after(claims, "claim_next", when=bool)


def _mid_relation() -> None:
    """Once the first segment of a relation is in the pack, as the second one is complete."""
    begun = RelationSink._end_segment

    async def end_segment(self: RelationSink) -> None:
        if self._position is not None and self._waiting:
            _die()
        await begun(self)

    RelationSink._end_segment = end_segment  # type: ignore[method-assign]  # this process only


def _mid_blob() -> None:
    """After a piece of a blob that has an object of its own."""
    _after(LargeBlob, "place")


def _before_the_rows() -> None:
    """Once every byte is in the store, and the snapshot is still open."""
    _after(Pack, "commit")


def _before_commit() -> None:
    """Once all is written in the transaction that ends the job, before its COMMIT."""
    _after(store, "finish")


def _before_wake_up() -> None:
    """Once a job that somebody asked for is committed, before anybody is told of it."""
    _before(JobQueue, "announce")


def _after_commit() -> None:
    """Once the job's end is committed, before its worker goes on."""
    for work in (Importer, Exporter, PeerExporter):
        _after(work, "run")


def _mid_upload() -> None:
    """Once the first piece of an upload to an address has been sent."""
    sent = RemoteClient.send

    async def send(self: RemoteClient, *args: Any, body: AsyncIterator[bytes], **more: Any) -> Any:
        return await sent(self, *args, body=_first_of(body), **more)

    RemoteClient.send = send  # type: ignore[method-assign]  # this process only


async def _first_of(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield await anext(body)
    _die()


def _after_upload() -> None:
    """Once the target of an upload has answered, before the job's end is written."""
    _after(RemoteClient, "send")


def _part_kept() -> None:
    """Once it is written down that a part of an upload was taken."""
    _after(sent_parts, "add_sent")


def _mid_backup() -> None:
    """Once a part of an archive is in the bucket of a schedule."""
    _after(S3Presigned, "upload_part")


def _backup_recorded() -> None:
    """Once a backup counts at its bucket, before the database knows it."""
    _after(backup, "write_record")


def _export_asked() -> None:
    """Once a peer was asked to export a project."""
    _after(Transfers, "ask")


def _mid_submission() -> None:
    """Once the first piece of an archive has been sent to a peer."""
    submit = RemoteClient.submit

    async def submitted(self: RemoteClient, *args: Any, body: AsyncIterator[bytes], **more: Any) -> Any:
        return await submit(self, *args, body=_first_of(body), **more)

    RemoteClient.submit = submitted  # type: ignore[method-assign]  # this process only


def _after_submission() -> None:
    """Once a peer has answered that it imports an archive, before its number is written."""
    _after(RemoteClient, "submit")


def _mid_pages() -> None:
    """Once ten pages of a GitHub are kept."""
    pages = count(1)
    _after(PageStore, "add", when=lambda _: next(pages) == _PAGES)


def _pages_are_whole() -> None:
    """Once all pages of a GitHub are kept."""
    _after(Fetcher, "fetch")


def _mid_repository() -> None:
    """Once a repository elsewhere has told its references."""
    _after(RemoteRepository, "find")


def _mid_files() -> None:
    """Before the first file of a GitHub is fetched."""
    _before(UploadEvents, "_file")


def _piece_stored() -> None:
    """Once a piece of an upload is in the store, before the upload has it."""
    _before(pieces, "add_piece")


def _piece_kept() -> None:
    """Once an upload has a piece, before its client is told."""
    _after(PieceWriter, "receive")


def _between_pieces() -> None:
    """Once the first piece of an upload is read, of several."""
    read = PiecedArchive.chunks

    async def chunks(self: PiecedArchive) -> AsyncGenerator[bytes, None]:
        left = self._pieces[0].size
        async for chunk in read(self):
            yield chunk
            left -= len(chunk)
            if left <= 0:
                _die()

    PiecedArchive.chunks = chunks  # type: ignore[method-assign]  # this process only


POINTS: dict[str, Callable[[], None]] = {
    "after claim": _after_claim,
    "mid relation": _mid_relation,
    "mid blob": _mid_blob,
    "before the rows": _before_the_rows,
    "before commit": _before_commit,
    "after commit": _after_commit,
    "before wake-up": _before_wake_up,
    "mid pages": _mid_pages,
    "pages are whole": _pages_are_whole,
    "mid repository": _mid_repository,
    "mid files": _mid_files,
    "export asked": _export_asked,
    "mid submission": _mid_submission,
    "after submission": _after_submission,
    "mid upload": _mid_upload,
    "after upload": _after_upload,
    "part kept": _part_kept,
    "piece stored": _piece_stored,
    "piece kept": _piece_kept,
    "between pieces": _between_pieces,
    "mid backup": _mid_backup,
    "backup recorded": _backup_recorded,
}


class KilledProcess(CrossdockProcess):
    """A service that is killed at the point that its environment names."""

    module = "tests.support.killed"


def main() -> None:
    """Arm the point, and run the command."""
    POINTS[os.environ[POINT]]()
    crossdock()


if __name__ == "__main__":
    main()
