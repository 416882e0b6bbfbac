from __future__ import annotations

import base64
import gzip
import hashlib
import io
from random import Random

import pytest

from services.cli.archive_check import DownloadCorrupted
from services.cli.download import ArchiveDownload, FileSink
from services.cli.errors import JobFailed, RefusedByServer, ServerUnreachable
from services.cli.retries import ATTEMPTS
from tests.support.gitlab_stub import Script, answer, archive

DATA, OTHER = (gzip.compress(Random(seed).randbytes(251_000), mtime=0) for seed in (1, 2))  # noqa: S311  # the same every time
ETAG = '"one"'


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


async def fetch(script: Script, file: io.BytesIO | None = None) -> bytes:
    file = file or io.BytesIO()
    async with script.client() as client:
        found = await ArchiveDownload(FileSink(file)).run(client, 7, lambda _done, _total: None)
    assert found == hashlib.sha256(file.getvalue()).hexdigest()
    return file.getvalue()


async def test_a_download_is_what_was_sent() -> None:
    assert await fetch(Script(archive(DATA, Repr_Digest=digest(DATA)))) == DATA


async def test_a_broken_download_goes_on_where_it_broke() -> None:
    script = Script(archive(DATA, breaks_after=1000, ETag=ETAG), archive(DATA, start=1000, ETag=ETAG))
    assert await fetch(script) == DATA
    again = script.asked[1].headers
    assert (again["Range"], again["If-Range"]) == ("bytes=1000-", ETAG)


async def test_a_download_may_break_more_often_than_a_request_is_tried() -> None:
    pieces = [
        archive(DATA, start=start, breaks_after=1000, ETag=ETAG)
        for start in range(0, 1000 * (ATTEMPTS + 2), 1000)
    ]
    script = Script(*pieces, archive(DATA, start=1000 * (ATTEMPTS + 2), ETag=ETAG))
    assert await fetch(script) == DATA


async def test_a_download_that_gets_no_further_is_given_up() -> None:
    script = Script(*[archive(DATA, breaks_after=1000)] * 50)
    with pytest.raises(ServerUnreachable):
        await fetch(script)
    assert len(script.asked) <= 2 * ATTEMPTS


async def test_another_archive_in_between_starts_over() -> None:
    script = Script(
        archive(DATA, breaks_after=1000, ETag=ETAG, Repr_Digest=digest(DATA)),
        archive(OTHER, ETag='"two"', Repr_Digest=digest(OTHER)),
    )
    assert await fetch(script) == OTHER


async def test_without_a_strong_validator_it_starts_over() -> None:
    script = Script(archive(DATA, breaks_after=1000, ETag='W/"one"'), archive(DATA))
    assert await fetch(script) == DATA
    assert "Range" not in script.asked[1].headers


async def test_a_date_is_a_validator_too() -> None:
    date = "Sun, 22 Nov 2026 21:00:00 GMT"
    script = Script(archive(DATA, breaks_after=1000, Last_Modified=date), archive(DATA, start=1000))
    assert await fetch(script) == DATA
    assert script.asked[1].headers["If-Range"] == date


async def test_another_range_than_asked_for_is_refused() -> None:
    script = Script(archive(DATA, breaks_after=1000, ETag=ETAG), archive(DATA, start=999, ETag=ETAG))
    with pytest.raises(DownloadCorrupted, match="asked for bytes from 1000"):
        await fetch(script)


async def test_other_bytes_than_the_digest_are_refused() -> None:
    with pytest.raises(DownloadCorrupted, match="SHA-256"):
        await fetch(Script(archive(DATA, Repr_Digest=digest(OTHER))))


async def test_a_mixture_of_two_archives_is_refused() -> None:
    promised = digest(DATA)
    script = Script(
        archive(DATA, breaks_after=1000, ETag=ETAG, Repr_Digest=promised),
        archive(OTHER, start=1000, ETag=ETAG, Repr_Digest=promised),
    )
    with pytest.raises(DownloadCorrupted):
        await fetch(script)


async def test_a_busy_server_is_asked_again() -> None:
    script = Script(answer(status=429, Retry_After="0"), answer(status=503), archive(DATA))
    assert await fetch(script) == DATA


async def test_a_missing_archive_is_told_at_once() -> None:
    script = Script(answer(status=404))
    with pytest.raises(RefusedByServer):
        await fetch(script)
    assert len(script.asked) == 1


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


async def test_a_pipe_is_continued() -> None:
    script = Script(archive(DATA, breaks_after=1000, ETag=ETAG), archive(DATA, start=1000, ETag=ETAG))
    assert await fetch(script, Pipe()) == DATA


async def test_a_pipe_is_never_written_twice() -> None:
    script = Script(archive(DATA, breaks_after=1000), archive(DATA))
    with pytest.raises(JobFailed, match="cannot be taken back"):
        await fetch(script, Pipe())


async def test_the_rest_of_another_archive_is_refused() -> None:
    script = Script(archive(DATA, breaks_after=1000, ETag=ETAG), archive(OTHER, start=1000, ETag='"two"'))
    with pytest.raises(DownloadCorrupted, match='asked for the rest of "one"'):
        await fetch(script)


async def test_a_rest_without_a_digest_is_checked_by_the_one_promised_before() -> None:
    script = Script(
        archive(DATA, breaks_after=1000, ETag=ETAG, Repr_Digest=digest(OTHER)), archive(DATA, start=1000)
    )
    with pytest.raises(DownloadCorrupted, match="SHA-256"):
        await fetch(script)


@pytest.mark.parametrize("at", [20, len(DATA) // 2, len(DATA) - 8, len(DATA) - 1])
async def test_an_archive_whose_own_checksum_is_wrong_is_refused_though_its_length_is_right(at: int) -> None:
    damaged = DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]
    with pytest.raises(DownloadCorrupted, match="arrived damaged"):
        await fetch(Script(archive(damaged)))


async def test_the_rest_of_another_archive_is_refused_where_no_header_tells_them_apart() -> None:
    script = Script(archive(DATA, breaks_after=1000, ETag=ETAG), archive(OTHER, start=1000))
    with pytest.raises(DownloadCorrupted, match="arrived damaged"):
        await fetch(script)


async def test_an_archive_that_the_server_holds_for_whole_and_is_not_is_refused() -> None:
    with pytest.raises(DownloadCorrupted, match="ends early"):
        await fetch(Script(archive(DATA[:-1])))
