"""The calls of GitLab's documentation, typed into a shell; test_curl_remote has those of imports."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
import requests

from tests.support.buckets import made_bucket, presigned
from tests.support.clients import Curl, CurlAnswer
from tests.support.contents import assert_round_trip, contents
from tests.support.seaweedfs import S3Server
from tests.support.system import System
from tests.support.waiting import eventually

IMPORT = (
    'curl --request POST --header "PRIVATE-TOKEN: $T" --form "path=$NAME" --form "file=@$FILE" '
    '"$U/api/v4/projects/import"'
)
IMPORT_STATUS = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/import"'
EXPORT = 'curl --request POST --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export"'
EXPORT_AND_UPLOAD = (
    'curl --request POST --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export" '
    '--data "upload[http_method]=PUT" --data-urlencode "upload[url]=$PRESIGNED"'
)
EXPORT_STATUS = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export"'
DOWNLOAD = (
    'curl --header "PRIVATE-TOKEN: $T" --remote-header-name --remote-name '
    '"$U/api/v4/projects/$P/export/download"'
)
RANGED = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export/download" --output '

TIMED_OUT = 28  # curl's exit code
NO_TOKEN = {"message": "401 Unauthorized"}


@dataclass(frozen=True, slots=True)
class Exported:
    """A project with a finished export, and the archive it was imported from."""

    id: int
    name: str
    source: Path


@pytest.fixture
def exported(curl: Curl, name: str, small_archive: Path) -> Exported:
    project = curl(IMPORT, NAME=name, FILE=small_archive).body["id"]
    _finished(curl, IMPORT_STATUS, "import_status", project)
    curl(EXPORT, P=project)
    _finished(curl, EXPORT_STATUS, "export_status", project)
    return Exported(project, name, small_archive)


def _finished(curl: Curl, command: str, key: str, project: object) -> CurlAnswer:
    answer = eventually(
        lambda: curl(command, P=project), lambda answer: answer.body[key] in {"finished", "failed"}
    )
    assert (answer.status, answer.body[key]) == (200, "finished"), answer
    return answer


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_an_import_is_scheduled_and_its_status_followed_to_the_end(
    curl: Curl, name: str, small_archive: Path
) -> None:
    scheduled = curl(IMPORT, NAME=name, FILE=small_archive)
    assert (scheduled.exit_code, scheduled.status) == (0, 201)
    assert scheduled.body["import_status"] == "scheduled"
    assert scheduled.body["path_with_namespace"] == f"root/{name}"
    by_id = _finished(curl, IMPORT_STATUS, "import_status", scheduled.body["id"])
    by_path = _finished(curl, IMPORT_STATUS, "import_status", f"root%2F{name}")
    assert by_id.body == by_path.body
    assert (by_id.body["import_error"], by_id.body["failed_relations"]) == (None, [])


def test_an_export_is_scheduled_and_its_status_followed_to_the_end(curl: Curl, exported: Exported) -> None:
    assert (answer := curl(EXPORT, P=exported.id)).status == 202
    assert answer.body == {"message": "202 Accepted"}
    status = _finished(curl, EXPORT_STATUS, "export_status", exported.id)
    assert status.body["_links"]["api_url"] == f"{curl.url}/api/v4/projects/{exported.id}/export/download"


def test_a_download_lands_under_the_servers_name_with_what_was_imported(
    curl: Curl, exported: Exported
) -> None:
    assert curl(DOWNLOAD, P=exported.id).status == 200
    (file,) = curl.folder.glob("*.gz")
    date = r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{3}"
    assert re.fullmatch(rf"{date}_root_{exported.name}_export\.tar\.gz", file.name)
    assert_round_trip(contents(exported.source), contents(file))


def test_an_export_is_uploaded_to_a_presigned_address_when_it_is_done(
    curl: Curl, exported: Exported, s3_server: S3Server
) -> None:
    asyncio.run(made_bucket(s3_server))
    address = asyncio.run(presigned(s3_server, f"uploads/{exported.name}.tar.gz"))
    answer = curl(EXPORT_AND_UPLOAD, P=exported.id, PRESIGNED=address.put)
    assert (answer.status, answer.body) == (202, {"message": "202 Accepted"})
    _finished(curl, EXPORT_STATUS, "export_status", exported.id)
    assert curl(DOWNLOAD, P=exported.id).status == 200
    (file,) = curl.folder.glob("*.gz")
    uploaded = requests.get(address.get, timeout=60)
    assert (uploaded.status_code, uploaded.headers["Content-Type"]) == (200, "application/gzip")
    assert uploaded.content == file.read_bytes()


def test_the_link_of_a_finished_export_is_the_download(curl: Curl, exported: Exported) -> None:
    link = curl(EXPORT_STATUS, P=exported.id).body["_links"]["api_url"]
    answer = curl('curl --header "PRIVATE-TOKEN: $T" --output linked.tar.gz "$LINK"', LINK=link)
    assert answer.status == 200
    assert_round_trip(contents(exported.source), contents(curl.folder / "linked.tar.gz"))


def test_requests_imports_an_archive_out_of_memory(
    system: System, curl: Curl, name: str, small_archive: Path
) -> None:
    response = requests.post(
        f"{system.url}/api/v4/projects/import",
        headers={"Private-Token": system.token},
        data={"path": name, "namespace": "root"},
        files={"file": ("file.tar.gz", BytesIO(small_archive.read_bytes()))},
        timeout=60,
    )
    assert (response.status_code, response.json()["path_with_namespace"]) == (201, f"root/{name}")
    _finished(curl, IMPORT_STATUS, "import_status", response.json()["id"])


def test_a_file_that_is_not_named_as_an_archive_is_refused(
    curl: Curl, name: str, small_archive: Path
) -> None:
    (curl.folder / "README.md").write_bytes(small_archive.read_bytes())
    answer = curl(IMPORT, NAME=name, FILE="README.md")
    assert answer.status == 422
    error = "You need to upload a GitLab project export archive (ending in .gz)."
    assert answer.body == {"message": {"error": error}}


def test_a_download_goes_on_where_it_was_cut_off(curl: Curl, exported: Exported) -> None:
    curl(RANGED + "whole.tar.gz", P=exported.id)
    assert curl(RANGED + "part.tar.gz --range 0-99999", P=exported.id).status == 206
    whole, part = curl.folder / "whole.tar.gz", curl.folder / "part.tar.gz"
    assert part.read_bytes() == whole.read_bytes()[:100_000]
    assert curl(RANGED + "part.tar.gz --continue-at -", P=exported.id).status == 206
    assert part.read_bytes() == whole.read_bytes()


def test_a_head_tells_of_a_download_what_it_will_be(curl: Curl, exported: Exported) -> None:
    assert curl(RANGED + "first.tar.gz", P=exported.id).status == 200  # leaves its digest
    whole = curl(RANGED + "whole.tar.gz --dump-header got", P=exported.id)
    head = curl(
        'curl --head --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export/download"', P=exported.id
    )
    assert (whole.status, head.status) == (200, 200)
    told, got = _headers(head.output), _headers((curl.folder / "got").read_text())
    same = ("content-length", "content-type", "content-disposition", "etag", "accept-ranges", "repr-digest")
    assert {key: told[key] for key in same} == {key: got[key] for key in same}
    assert int(told["content-length"]) == (curl.folder / "whole.tar.gz").stat().st_size


def _headers(text: str) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {key.lower(): value for key, value in pairs}


def test_an_upload_that_asks_first_is_told_to_go_on(curl: Curl, name: str, small_archive: Path) -> None:
    answer = curl(IMPORT + ' --include --header "Expect: 100-continue"', NAME=name, FILE=small_archive)
    statuses = re.findall(r"^HTTP/1\.1 (\d+)", answer.output, re.MULTILINE)
    assert statuses == ["100", "201"]


def test_an_upload_that_asks_first_is_refused_a_wrong_token_before_any_of_it_is_sent(
    curl: Curl, name: str, long_archive: Path
) -> None:
    stranger = Curl(curl.url, "glpat-wrong", curl.folder)
    answer = stranger(IMPORT + ' --header "Expect: 100-continue"', NAME=name, FILE=long_archive)
    assert (answer.status, answer.body, answer.uploaded) == (401, NO_TOKEN, 0)


def test_a_wrong_token_is_refused_while_the_upload_has_hardly_begun(
    curl: Curl, name: str, long_archive: Path
) -> None:
    stranger = Curl(curl.url, "glpat-wrong", curl.folder)
    # At this rate the whole of it takes longer than curl may.
    slowly = ' --header "Expect:" --limit-rate 100k --max-time 30'
    answer = stranger(IMPORT + slowly, NAME=name, FILE=long_archive)
    assert (answer.status, answer.body) == (401, NO_TOKEN)
    assert answer.uploaded < long_archive.stat().st_size


def test_an_upload_broken_off_leaves_no_project_and_its_path_free(
    curl: Curl, name: str, long_archive: Path, small_archive: Path
) -> None:
    broken = curl(IMPORT + " --limit-rate 1M --max-time 1", NAME=name, FILE=long_archive)
    assert (broken.exit_code, broken.status) == (TIMED_OUT, 100)
    assert 0 < broken.uploaded < long_archive.stat().st_size
    assert curl(IMPORT_STATUS, P=f"root%2F{name}").status == 404
    again = curl(IMPORT, NAME=name, FILE=small_archive)
    assert (again.status, again.body["path"]) == (201, name)
    _finished(curl, IMPORT_STATUS, "import_status", again.body["id"])


def test_an_upload_whose_client_is_killed_leaves_no_file(
    standalone_system: System, tmp_path: Path, name: str, long_archive: Path
) -> None:
    assert standalone_system.data is not None
    objects = standalone_system.data / "objects"
    before = _files(objects)
    curl = Curl(standalone_system.url, standalone_system.token, tmp_path)
    with curl.start(IMPORT + " --limit-rate 1M", NAME=name, FILE=long_archive) as client:
        eventually(lambda: _files(objects) - before, bool)
        client.kill()
    eventually(lambda: _files(objects) - before, lambda left: not left)
