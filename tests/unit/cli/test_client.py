from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.cli.client import ImportRequest
from services.cli.errors import RefusedByServer, ServerUnreachable
from tests.support.gitlab_stub import Script, answer, crossdock, imported

DATA = bytes(range(256)) * 4096


def ignore(_done: int, _total: int | None) -> None:
    pass


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "one.tar.gz"
    file.write_bytes(DATA)
    return file


def field_names(body: bytes) -> list[str]:
    return [name.decode() for name in re.findall(rb'; name="([^"]+)"', body)]


async def test_an_upload_states_its_length(archive: Path) -> None:
    script = Script(answer(), imported("scheduled"))
    async with script.client() as client:
        await client.import_file(archive, ImportRequest("one"), ignore)
    sent = script.asked[-1]
    assert int(sent.headers["Content-Length"]) == len(sent.body)
    assert "Transfer-Encoding" not in sent.headers
    assert DATA in sent.body


async def test_an_upload_has_the_file_behind_the_fields(archive: Path) -> None:
    upload = ImportRequest.to("group/sub/one", name="One", overwrite=True, overrides={"description": "new"})
    script = Script(answer(), imported("scheduled"))
    async with script.client() as client:
        await client.import_file(archive, upload, ignore)
    names = field_names(script.asked[-1].body)
    assert names == ["path", "namespace", "name", "overwrite", "override_params[description]", "file"]


@pytest.mark.parametrize(
    ("full_path", "namespace", "path"),
    [("one", None, "one"), ("/group/one", "group", "one"), ("group/sub/one/", "group/sub", "one")],
)
def test_a_path_is_split_at_its_last_slash(full_path: str, namespace: str | None, path: str) -> None:
    upload = ImportRequest.to(full_path, name=None, overwrite=False, overrides={})
    assert (upload.namespace, upload.path) == (namespace, path)


async def test_an_upload_tells_how_far_it_is(archive: Path) -> None:
    told: list[tuple[int, int | None]] = []
    async with Script(answer(), imported("scheduled")).client() as client:
        await client.import_file(
            archive, ImportRequest("one"), lambda done, total: told.append((done, total))
        )
    assert told == sorted(told)
    assert told[-1] == (len(DATA), len(DATA))


async def test_a_refused_token_costs_no_upload(archive: Path) -> None:
    script = Script(answer(status=401))
    async with script.client() as client:
        with pytest.raises(RefusedByServer):
            await client.import_file(archive, ImportRequest("one"), ignore)
    assert [asked.method for asked in script.asked] == ["GET"]


async def test_a_limited_upload_is_sent_again_whole(archive: Path) -> None:
    script = Script(answer(), answer(status=429, Retry_After="0"), imported("scheduled"))
    async with script.client() as client:
        await client.import_file(archive, ImportRequest("one"), ignore)
    assert DATA in script.asked[-1].body


async def test_an_upload_that_may_have_been_taken_is_not_sent_again(archive: Path) -> None:
    script = Script(answer(), answer(status=502), imported("scheduled"))
    async with script.client() as client:
        with pytest.raises(ServerUnreachable):
            await client.import_file(archive, ImportRequest("one"), ignore)
    assert len(script.asked) == 2


async def test_a_crossdock_takes_an_upload_once_however_often_it_is_sent(archive: Path) -> None:
    at_work = answer({"message": "409 Conflict"}, status=409, Retry_After="0")
    script = Script(crossdock(), answer(status=503), at_work, imported("scheduled", job=5))
    async with script.client() as client:
        scheduled = await client.import_file(archive, ImportRequest("one"), ignore)
    assert scheduled.job == 5
    assert len({asked.headers["Idempotency-Key"] for asked in script.asked[1:]}) == 1
    assert all(DATA in asked.body for asked in script.asked[1:])


async def test_every_upload_has_a_key_of_its_own(archive: Path) -> None:
    script = Script(*[crossdock(), imported("scheduled")] * 2)
    async with script.client() as client:
        await client.import_file(archive, ImportRequest("one"), ignore)
        await client.import_file(archive, ImportRequest("one"), ignore)
    assert len({asked.headers["Idempotency-Key"] for asked in script.asked[1::2]}) == 2


async def test_a_gitlab_gets_no_key(archive: Path) -> None:
    script = Script(answer({"version": "18.9.0", "revision": "abc"}), imported("scheduled"))
    async with script.client() as client:
        scheduled = await client.import_file(archive, ImportRequest("one"), ignore)
    assert scheduled.job is None
    assert "Idempotency-Key" not in script.asked[1].headers


async def test_a_conflict_that_does_not_pass_is_final() -> None:
    script = Script(crossdock(), answer({"message": "409 Conflict"}, status=409))
    async with script.client() as client:
        with pytest.raises(RefusedByServer):
            await client.schedule_export(7)


async def test_a_project_is_named_by_its_path_in_one_segment() -> None:
    script = Script(imported("finished"))
    async with script.client() as client:
        await client.import_status("group/sub/o ne")
    assert script.asked[0].target == "/api/v4/projects/group%2Fsub%2Fo%20ne/import"


async def test_an_export_changes_the_description_only_when_told() -> None:
    script = Script(*[answer(), answer(status=202)] * 2)
    async with script.client() as client:
        await client.schedule_export(7)
        await client.schedule_export(7, "")
    assert [asked.body for asked in script.asked[1::2]] == [b"{}", b'{"description": ""}']
