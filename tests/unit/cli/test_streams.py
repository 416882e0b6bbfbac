"""Archives are read from standard input and from FIFOs as they come."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.cli.archive_source import STDIN, find_size, read_stream
from services.cli.client import ImportRequest
from services.cli.errors import RefusedByServer, UsageError
from services.cli.verification import verify
from shared.archive.limits import Limits
from tests.support.gitlab_stub import Script, answer, crossdock, imported
from tests.support.projects import project

ARCHIVE = project(issues=b'{"title":"one"}\n')


@contextmanager
def standard_input(number: int) -> Iterator[None]:
    """Have a descriptor as standard input."""
    kept = os.dup(0)
    os.dup2(number, 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "one.tar.gz"
    os.mkfifo(path)
    return path


async def sent_into(path: Path, data: bytes) -> None:
    """Write into a FIFO."""
    await asyncio.to_thread(path.write_bytes, data)


@pytest.mark.parametrize("kind", ["pipe", "file", "/dev/stdin", "fifo"])
async def test_an_archive_is_imported_as_it_comes(kind: str, fifo: Path, tmp_path: Path) -> None:
    script = Script(crossdock(), imported("scheduled", job=5))
    told: list[tuple[int, int | None]] = []
    reading, writing = os.pipe()
    (tmp_path / "file").write_bytes(ARCHIVE)
    given = os.open(tmp_path / "file", os.O_RDONLY) if kind == "file" else reading
    named = {"fifo": fifo, "/dev/stdin": Path("/dev/stdin")}.get(kind, STDIN)
    os.write(writing, ARCHIVE)
    os.close(writing)
    with standard_input(given):
        async with script.client() as client, asyncio.TaskGroup() as tasks:
            if kind == "fifo":
                tasks.create_task(sent_into(fifo, ARCHIVE))
            done = await client.import_file(named, ImportRequest("one"), lambda *far: told.append(far))
    os.close(given)
    assert done.job == 5
    sent = script.asked[-1]
    assert sent.headers["Transfer-Encoding"] == "chunked"
    assert ARCHIVE in sent.body
    name = "one.tar.gz" if kind == "fifo" else "project_export.tar.gz"
    assert f'filename="{name}"'.encode() in sent.body
    assert told[-1] == (len(ARCHIVE), None)


async def test_a_stream_is_sent_once(fifo: Path) -> None:
    script = Script(crossdock(), answer(status=429, Retry_After="0"), imported("scheduled"))
    async with script.client() as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(sent_into(fifo, ARCHIVE))
        with pytest.raises(RefusedByServer):
            await client.import_file(fifo, ImportRequest("one"), lambda *_: None)
    assert len(script.asked) == 2


async def test_who_waits_for_a_stream_that_nobody_writes_can_be_stopped(fifo: Path) -> None:
    reading = asyncio.ensure_future(anext(read_stream(fifo)))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_stream_is_verified(fifo: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sent_into(fifo, ARCHIVE))
        told = await verify(fifo, limits=Limits(), strict=True)
    assert (told.bytes, told.sha256) == (len(ARCHIVE), hashlib.sha256(ARCHIVE).hexdigest())
    assert told.relations["issues"].lines == 1


def test_a_terminal_is_no_archive() -> None:
    front, back = os.openpty()
    with standard_input(back), pytest.raises(UsageError, match="is a terminal"):
        find_size(STDIN)
    for number in (front, back):
        os.close(number)


@pytest.mark.parametrize("path", ["/dev/null", "/tmp", "/nowhere.tar.gz"])  # noqa: S108  # looked at only
def test_what_is_no_file_and_no_stream_is_a_usage_error(path: str) -> None:
    with pytest.raises(UsageError, match="is no file"):
        find_size(Path(path))


async def test_standard_input_blocks_again_for_whoever_has_it_next() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with standard_input(reading):
        assert [chunk async for chunk in read_stream(STDIN)] == []
        assert os.get_blocking(0)
    os.close(reading)
