from __future__ import annotations

import pytest

from services.api.http.form_data import LARGEST_FIELD
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.forms import BOUNDARY, HEADERS

REFUSED = "You need to upload a GitLab project export archive (ending in .gz)."


async def _upload(api: Api, names: bytes, content: bytes = ARCHIVE) -> Answer:
    """Import with a file part that has these names."""
    await api.user("ann")
    edge = BOUNDARY.encode()
    body = (
        b'--%b\r\nContent-Disposition: form-data; name="path"\r\n\r\np\r\n'
        b'--%b\r\nContent-Disposition: form-data; name="file"%b\r\n\r\n%b\r\n--%b--\r\n'
    ) % (edge, edge, names, content, edge)
    return await api.post("/projects/import", by="ann", data=body, headers=HEADERS)


@pytest.mark.parametrize(
    "names",
    [
        b"; filename*=UTF-8''caf%C3%A9.tar.gz",
        b"; filename*=utf-8'en'x.gz",
        b"; FILENAME*=ISO-8859-1''caf%E9.gz",
        b"; filename=\"x.txt\"; filename*=UTF-8''x.gz",
        b"; filename=x.gz",
        b'; filename="a;b.gz"',
    ],
)
async def test_a_file_may_be_named_in_every_form_of_its_header(api: Api, names: bytes) -> None:
    answer = await _upload(api, names)

    assert answer.status == 201
    assert await api.pool.fetchval("SELECT count(*) FROM objects WHERE size IS NOT NULL") == 1


@pytest.mark.parametrize("name", ["x.GZ", "x.tar.Gz", ".gz", "x.gz.zip", "x.tgz"])
async def test_a_file_that_does_not_end_in_gz_as_it_is_written_is_no_archive(api: Api, name: str) -> None:
    answer = await _upload(api, f'; filename="{name}"'.encode())

    assert (answer.status, answer.body) == (422, {"message": {"error": REFUSED}})
    assert await api.objects_left() == 0


@pytest.mark.parametrize("size", [1, LARGEST_FIELD + 1])
async def test_a_file_without_a_name_is_invalid_however_long(api: Api, size: int) -> None:
    answer = await _upload(api, b"", b"x" * size)

    assert (answer.status, answer.body) == (400, {"error": "file is invalid"})


async def test_a_name_in_another_encoding_is_told_without_its_bytes(api: Api) -> None:
    answer = await _upload(api, b'; filename="caf\xe9.gz"')

    text = "multipart body is broken: Segment header failed to decode"
    assert (answer.status, answer.body) == (400, {"error": text})
