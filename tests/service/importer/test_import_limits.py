from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import shake_256
from typing import Any

import pytest
from isal import isal_zlib

from shared.archive.events import ArchiveEvent, EntryData
from shared.archive.gzip_reader import STEP
from shared.archive.limits import MIB, Limits, Prices
from shared.archive.reader import ArchiveReader, Inflated
from shared.restore import archive_events, event_loop, relations
from shared.restore.restorer import Restorer
from shared.snapshots import appending
from shared.snapshots.models import Entry, Segment
from tests.support.archives import file, header
from tests.support.projects import MINIMAL, Dock, archive, files, project
from tests.support.samples.table import packed as sample

PACKABLE = b"".join(file(name, data) for name, data in MINIMAL)


def _squeezed(*blocks: bytes) -> bytes:
    """A gzip file of the blocks: quick, and small where they are dull."""
    squeeze = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    return b"".join([*(squeeze.compress(block) for block in blocks), squeeze.flush()])


DOUBLE = b"\0\5\26\7".ljust(512, b"\0")


def _large(name: bytes, size: int) -> list[bytes]:
    return [header(b"./" + name, size=size), *([bytes(MIB)] * (size // MIB))]


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[ArchiveReader]:
    """Every reader that an importer uses."""
    made: list[ArchiveReader] = []

    class Watched(ArchiveReader):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            made.append(self)

    monkeypatch.setattr(archive_events, "ArchiveReader", Watched)
    return made


async def test_a_bomb_is_read_no_further_than_the_limit(dock: Dock, readers: list[ArchiveReader]) -> None:
    packed = sample("bomb")
    dock.limits = Limits(decompressed=20 * MIB)
    imported = await dock.run_import(packed)
    assert imported.error == (
        "Error importing repository  into ann/p - Decompressed archive size validation failed. "
        "(the decompressed archive is over the limit of 20971520 bytes, "
        "reached in or after 'uploads/0123456789abcdef0123456789abcdef/z.bin')"
    )
    assert readers[0]._gzip.decompressed <= 20 * MIB + STEP
    await dock.collect()
    assert dock.stored() == []


async def test_a_bomb_of_many_entries_is_read_no_further_than_the_limit(
    dock: Dock, readers: list[ArchiveReader]
) -> None:
    dock.limits = Limits(decompressed=3 * MIB)
    packed = _squeezed(PACKABLE, *(file(f"uploads/{n}", bytes(99_000)) for n in range(100)))
    imported = await dock.run_import(packed)
    assert imported.error
    assert "'uploads/31'" in imported.error
    assert readers[0]._gzip.decompressed <= 3 * MIB + STEP


async def test_the_import_of_one_relation_reads_a_bomb_no_further(
    dock: Dock, readers: list[ArchiveReader]
) -> None:
    dock.limits = Limits(decompressed=3 * MIB)
    packed = _squeezed(*(file(f"uploads/{n}", bytes(99_000)) for n in range(100)))
    imported = await dock.run_relation(packed)
    assert imported.error
    assert "'uploads/31'" in imported.error
    assert readers[0]._gzip.decompressed <= 3 * MIB + STEP


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(entries=5), "'uploads/2' is over the limit of 5 entries"),
        (Limits(name=19), "'./uploads/a-long-name': the name is over the limit of 19 bytes"),
        (Limits(decompressed=20_000), "limit of 20000 bytes, reached in or after 'uploads/large'"),
        (Limits(header=100), "'././@LongLink': an extended header is over the limit of 100 bytes"),
    ],
)
async def test_what_goes_over_a_limit_is_named_with_the_limit(
    dock: Dock, limits: Limits, expected: str
) -> None:
    names = {"entries": ["1", "2", "3"], "name": ["a-long-name"], "header": ["n" * 150]}
    changed = next(field for field in ("entries", "name", "header", "decompressed") if
                   getattr(limits, field) != getattr(Limits(), field))  # fmt: skip
    more = [(f"uploads/{name}", b"x") for name in names.get(changed, ["1"])]
    dock.limits = limits
    imported = await dock.run_import(project(*more, ("uploads/large", b"x" * 30_000)))
    assert imported.error
    assert imported.error.startswith("Error importing repository  into ann/p - ")
    assert expected in imported.error


OVERDRAWN = {
    "blank lines": (b"\n", "4001 lines"),
    "lines of a carriage return": (b"\r\n", "4001 lines"),
    "null": (b"null\n", "4001 lines"),
    "empty objects": (b"{}\n", "4001 lines"),
    "junk": (b"x\n", "4001 lines"),
}


@pytest.mark.parametrize("what", OVERDRAWN)
async def test_lines_that_the_bytes_do_not_pay_for_are_not_looked_at(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    checked: list[bytes] = []
    monkeypatch.setattr(relations, "check_line", lambda line, **_: checked.append(line))
    line, overdrawn = OVERDRAWN[what]
    dock.limits = Limits(prices=Prices(gift=16_000 - 1000))
    packed = _squeezed(PACKABLE, file("tree/project/issues.ndjson", line * 4001))
    assert len(packed) < 1000
    for imported in (await dock.run_import(packed), await dock.run_relation(packed)):
        assert imported.error
        assert f"the archive costs too much work for its size, reached by {overdrawn}" in imported.error
    assert checked == []


async def test_the_limit_of_unpacked_bytes_is_exact(dock: Dock) -> None:
    packed = project(("uploads/a", b"x" * 3000))
    size = len(gzip.decompress(packed))
    dock.limits = Limits(decompressed=size)
    assert (await dock.run_import(packed)).error is None
    dock.limits = Limits(decompressed=size - 1)
    imported = await dock.run_import(packed)
    assert imported.error
    assert f"limit of {size - 1} bytes, reached in or after 'uploads/a'" in imported.error


async def test_what_is_read_and_inflated_ahead_is_bounded(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, readers: list[ArchiveReader]
) -> None:
    noise = shake_256(b"blob").digest(12 * MIB)
    packed = archive([*MINIMAL, ("uploads/a", noise)])
    taken, ahead = 0, []
    write = Restorer.handle

    async def handle(self: Restorer, event: ArchiveEvent) -> None:
        nonlocal taken
        taken += len(event.data) if isinstance(event, EntryData) else 0
        for _ in range(50):  # whoever reads ahead has its turns
            await asyncio.sleep(0)
        ahead.append(readers[0]._gzip.decompressed - taken)
        await write(self, event)

    monkeypatch.setattr(Restorer, "handle", handle)
    assert (await dock.run_import(packed)).error is None
    assert max(ahead) <= 2 * MIB


async def test_lines_of_any_kind_are_looked_at_in_steps_so_that_failures_are_few_at_a_time(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    keep = relations.RelationReceiver._keep

    async def counted(self: relations.RelationReceiver, looked: Any) -> None:
        steps.append(len(looked.failures) + sum(len(lines) for _, lines in looked.runs))
        await keep(self, looked)

    monkeypatch.setattr(relations.RelationReceiver, "_keep", counted)
    packed = project(issues=b"x\n" * 2500 + b"{}\n" * 2500 + b"null\n" * 2500 + b"{}\n")
    imported = await dock.run_import(packed)
    assert imported.progress.relations["issues"].failed == 2500
    assert imported.progress.relations["issues"].lines == 2501
    assert max(steps) == 1000
    assert len(steps) < 12


async def test_an_archive_that_is_stored_as_it_is_pays_for_itself(dock: Dock) -> None:
    dock.limits = Limits(prices=Prices(gift=1))
    packed = archive([*MINIMAL, ("tree/project/labels.ndjson", b'{"title":"t"}\n' * 10_000)])
    assert (await dock.run_import(packed)).error is None


async def test_the_longest_names_fit_into_the_indexes_of_the_database(dock: Dock) -> None:
    # Nothing that repeats: Postgres compresses what is long.
    noise = urlsafe_b64encode(shake_256(b"name").digest(Limits().name)).decode()
    names = [f"{before}{noise}"[: Limits().name - len("./" + after)] + after for before, after in (
        ("uploads/", ""), ("designs/", "/"), ("tree/project/", ".ndjson"),
    )]  # fmt: skip
    imported = await dock.run_import(project(*((name, b"") for name in names[:2]), (names[2], b"{}\n")))
    assert imported.error is None
    assert {len(f"./{name}") for name in names} == {Limits().name}
    assert set(names) <= files(await dock.run_export()).keys()

    refused = await dock.run_import(project((f"uploads/{noise}", b"")))
    assert refused.error
    assert "the name is over the limit of 2600 bytes" in refused.error


@dataclass
class Turn:
    """What an import does at most between two turns of the event loop."""

    unpacked: int = 0  # bytes
    lines: int = 0


@asynccontextmanager
async def _longest_turn(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Turn]:
    """Count what an import does in one turn, where it gives way as often as it can."""
    monkeypatch.setattr(event_loop, "_PERIOD", 0)
    turn, longest = Turn(), Turn()
    read, check = ArchiveReader.read, relations.RelationReceiver._check

    def reading(self: ArchiveReader, piece: Inflated) -> Iterator[ArchiveEvent]:
        turn.unpacked += len(piece.data)
        return read(self, piece)

    def checking(self: relations.RelationReceiver, *given: Any) -> None:
        turn.lines += 1
        check(self, *given)

    async def watch() -> None:
        while True:
            turn.unpacked = turn.lines = 0
            await asyncio.sleep(0)
            longest.unpacked = max(longest.unpacked, turn.unpacked)
            longest.lines = max(longest.lines, turn.lines)

    monkeypatch.setattr(ArchiveReader, "read", reading)
    monkeypatch.setattr(relations.RelationReceiver, "_check", checking)
    task = asyncio.create_task(watch())
    try:
        yield longest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


DULL = {
    "blank lines": lambda: _squeezed(PACKABLE, file("tree/project/issues.ndjson", b"\n" * 250_000)),
    "short lines": lambda: _squeezed(PACKABLE, file("tree/project/unknown.ndjson", b"{}\n" * 150_000)),
    "a dropped file of zeros": lambda: _squeezed(
        PACKABLE, header(b"._VERSION", size=400 * MIB), DOUBLE, *([bytes(MIB)] * 400)
    ),
    "zeros after the end": lambda: _squeezed(PACKABLE, *([bytes(MIB)] * 400)),
    "the root directory again and again": lambda: _squeezed(
        PACKABLE, *([header(b"./", kind=b"5") * 2048] * 25), bytes(1024)
    ),
}


@pytest.mark.parametrize("what", DULL)
async def test_dull_archives_do_not_keep_the_event_loop_from_others(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    packed = await asyncio.to_thread(DULL[what])
    job = await dock.order_import(packed)
    async with _longest_turn(monkeypatch) as longest:
        assert (await dock.attempt(job)).error is None
    assert 0 < longest.unpacked <= STEP
    assert longest.lines <= 1000


async def test_a_line_of_50_mib_is_held_hardly_more_than_once(dock: Dock) -> None:
    line = b'{"title":"t","x":"%s"}' % (b"y" * (50 * MIB - 100))
    packed = await asyncio.to_thread(project, issues=line + b"\n{}\n")
    dock.limits = replace(dock.limits, line=50 * MIB)
    job = await dock.order_import(packed)
    tracemalloc.start()
    imported = await dock.attempt(job)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert imported.progress.relations["issues"].lines == 2
    assert peak < 120 * MIB


async def test_the_import_of_one_relation_holds_neither_what_is_there_nor_what_comes(dock: Dock) -> None:
    def issues(first: int) -> bytes:
        text = b"x" * 10_000
        return b"".join(
            b'{"iid":%d,"title":"t","description":"%s"}\n' % (n, text) for n in range(first, first + 6400)
        )

    await dock.run_import(project(issues=issues(0)))
    job = await dock.order_relation(project(issues=issues(3200)))
    tracemalloc.start()
    imported = await dock.attempt(job)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert imported.progress.relations["issues"].lines == 3200
    assert peak < 32 * MIB


async def test_thousands_of_entries_wait_in_bounded_batches(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = []
    add = appending.append_for_job

    async def spying(*args: Any, entries: Sequence[Entry], segments: Sequence[Segment], **more: Any) -> None:
        waiting.append(len(entries) + len(segments))
        await add(*args, entries=entries, segments=segments, **more)

    monkeypatch.setattr(appending, "append_for_job", spying)
    packed = archive([*MINIMAL, *((f"uploads/{n:05}/f", b"x") for n in range(2500))])
    assert (await dock.run_import(packed)).error is None
    assert waiting == [1000, 1000, 502]
