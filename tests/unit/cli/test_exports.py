from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import signal
import sys
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from aiohttp import web

from services.cli.archive_check import DownloadCorrupted
from services.cli.client import GitLabClient
from services.cli.errors import JobFailed, RefusedByServer, ServerUnreachable
from services.cli.exports import ExportOptions, export_project
from services.cli.results import ExportResult
from services.cli.retries import ATTEMPTS
from tests.support.gitlab_stub import Answer, Script, answer, archive, exported
from tests.support.waiting import until

DATA, OTHER = (gzip.compress(Random(seed).randbytes(251_000), mtime=0) for seed in (1, 2))  # noqa: S311  # the same every time
ETAG = '"one"'
ROOT = Path(__file__).parents[3]
ARRIVED = 1000

MADE = (answer(), answer(status=202), exported("finished"))
"""What the server says to a new export."""


def archived(
    data: bytes = DATA, etag: str = ETAG, *, start: int = 0, breaks_after: int | None = None
) -> Answer:
    promised = base64.b64encode(hashlib.sha256(data).digest()).decode()
    digest = f"sha-256=:{promised}:"
    return archive(data, start=start, breaks_after=breaks_after, ETag=etag, Repr_Digest=digest)


BROKEN = (*MADE, archived(breaks_after=ARRIVED), *[answer(status=503)] * ATTEMPTS)
"""A run that leaves a part of 1000 bytes."""

RESUMED = (exported("finished"), archived(start=ARRIVED - 1))
"""A run that goes on with it, from its last byte on."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.tar.gz"


async def export(
    client: GitLabClient, target: Path, *, description: str | None = None, resume: bool = True
) -> ExportResult:
    options = ExportOptions(description=description, within=timedelta(minutes=1))
    return await export_project(client, 7, target, options, resume=resume)


async def leave_a_part(client: GitLabClient, target: Path) -> Path:
    with pytest.raises(ServerUnreachable):
        await export(client, target)
    (part,) = target.parent.iterdir()
    assert part.read_bytes() == DATA[:ARRIVED]
    return part


def only(target: Path) -> bytes:
    """What is in the target, beside which nothing is left."""
    assert list(target.parent.iterdir()) == [target]
    return target.read_bytes()


def asked(script: Script) -> list[str]:
    """What was asked for after the run that broke."""
    return [
        f"{each.method} {each.target.removeprefix('/api/v4/').rpartition('7/')[2]}"
        for each in script.asked[len(BROKEN) :]
    ]


async def test_the_next_run_fetches_the_rest_and_makes_no_export(target: Path) -> None:
    script = Script(*BROKEN, *RESUMED)
    async with script.client() as client:
        await leave_a_part(client, target)
        done = await export(client, target)
    assert asked(script) == ["GET export", "GET export/download"]
    assert script.asked[-1].headers["Range"] == f"bytes={ARRIVED - 1}-"
    assert script.asked[-1].headers["If-Range"] == ETAG
    assert only(target) == DATA
    assert (done.bytes, done.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())


async def test_a_run_that_goes_on_may_break_again(target: Path) -> None:
    again = archived(start=ARRIVED - 1, breaks_after=ARRIVED + 1)
    script = Script(
        *BROKEN,
        exported("finished"),
        again,
        *[answer(status=503)] * ATTEMPTS,
        exported("finished"),
        archived(start=2 * ARRIVED - 1),
    )
    async with script.client() as client:
        await leave_a_part(client, target)
        with pytest.raises(ServerUnreachable):
            await export(client, target)
        await export(client, target)
    assert only(target) == DATA


@pytest.mark.parametrize(
    "no_rest", [archived(OTHER, '"two"'), answer(status=404), answer(status=416)], ids=["200", "404", "416"]
)
async def test_where_the_server_has_no_rest_a_new_export_is_made(no_rest: Answer, target: Path) -> None:
    script = Script(*BROKEN, exported("finished"), no_rest, *MADE, archived(OTHER, '"three"'))
    async with script.client() as client:
        await leave_a_part(client, target)
        await export(client, target)
    assert asked(script)[2:] == ["GET version", "POST export", "GET export", "GET export/download"]
    assert "Range" not in script.asked[-1].headers
    assert only(target) == OTHER


async def test_a_refusal_keeps_the_part(target: Path) -> None:
    script = Script(*BROKEN, answer(status=401), *RESUMED)
    async with script.client() as client:
        part = await leave_a_part(client, target)
        with pytest.raises(RefusedByServer):
            await export(client, target)
        assert part.exists()
        await export(client, target)
    assert only(target) == DATA


async def test_one_can_have_a_new_export_instead(target: Path) -> None:
    script = Script(*BROKEN, *MADE, archived(OTHER, '"two"'))
    async with script.client() as client:
        await leave_a_part(client, target)
        await export(client, target, resume=False)
    assert only(target) == OTHER


async def test_an_export_with_another_description_is_a_new_one(target: Path) -> None:
    script = Script(*BROKEN, *MADE, archived(OTHER, '"two"'))
    async with script.client() as client:
        await leave_a_part(client, target)
        await export(client, target, description="another")
    assert only(target) == OTHER


async def test_the_time_to_wait_counts_from_the_first_try_to_make_an_export(target: Path) -> None:
    async with Script(answer(), *[answer(status=429)] * ATTEMPTS).client() as client:
        options = ExportOptions(description=None, within=timedelta())
        with pytest.raises(JobFailed, match="gave up waiting for the export of 7"):
            await export_project(client, 7, target, options, resume=True)


async def test_a_part_with_wrong_bytes_is_not_kept(target: Path) -> None:
    script = Script(*BROKEN, *RESUMED)
    async with script.client() as client:
        part = await leave_a_part(client, target)
        part.write_bytes(bytes(ARRIVED))
        with pytest.raises(DownloadCorrupted):
            await export(client, target)
    assert list(target.parent.iterdir()) == []


async def test_ctrl_c_keeps_what_arrived(target: Path) -> None:
    arriving = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"ETag": ETAG, "Content-Length": str(len(DATA))})
        await response.prepare(request)
        await response.write(DATA[:-1])
        arriving.set()
        await asyncio.Event().wait()
        return response

    words = [sys.executable, "-m", "services.cli", "export", "7", "-o", str(target), "--token", "t", "--url"]
    async with Script(*MADE, stall).server() as url:
        process = await asyncio.create_subprocess_exec(*words, url, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
        await arriving.wait()
        await until(lambda: any(each.stat().st_size for each in target.parent.iterdir()))
        process.send_signal(signal.SIGINT)
        _, told = await process.communicate()
    (part,) = target.parent.iterdir()
    assert DATA.startswith(part.read_bytes())
    assert f"Kept what arrived as {part}: the same command goes on with it" in told.decode()
    assert b"Traceback" not in told
    assert process.returncode == 130
