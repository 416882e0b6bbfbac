"""The calls of GitLab's documentation for archives that lie elsewhere, typed into a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clients import Curl
from tests.support.contents import assert_round_trip, contents
from tests.support.waiting import eventually

REMOTE_IMPORT = (
    'curl --request POST --header "PRIVATE-TOKEN: $T" --header "Content-Type: application/json" '
    '--url "$U/api/v4/projects/remote-import" '
    '--data "{\\"url\\":\\"$REMOTE\\",\\"path\\":\\"remote-project\\"}"'
)
OLDER_REMOTE_IMPORT = (
    'curl --request POST --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/remote-import" '
    '--data "{\\"url\\":\\"$REMOTE\\",\\"path\\":\\"older-project\\"}"'
)
IMPORT_STATUS = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/import"'
EXPORT = 'curl --request POST --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export"'
EXPORT_STATUS = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export"'
DOWNLOAD = 'curl --header "PRIVATE-TOKEN: $T" "$U/api/v4/projects/$P/export/download" --output out.tar.gz'


@pytest.mark.parametrize("command", [REMOTE_IMPORT, OLDER_REMOTE_IMPORT])
def test_an_archive_elsewhere_is_imported_whole(
    curl: Curl, remote: str, small_archive: Path, command: str
) -> None:
    exported = _imported_and_exported(curl, command, remote)
    assert_round_trip(contents(small_archive), contents(exported))


def _imported_and_exported(curl: Curl, command: str, remote: str) -> Path:
    scheduled = curl(command, REMOTE=remote)
    assert (scheduled.status, scheduled.body["import_status"]) == (201, "scheduled"), scheduled
    project = scheduled.body["id"]
    _finished(curl, IMPORT_STATUS, "import_status", project)
    assert curl(EXPORT, P=project).status == 202
    _finished(curl, EXPORT_STATUS, "export_status", project)
    assert curl(DOWNLOAD, P=project).status == 200
    return curl.folder / "out.tar.gz"


def _finished(curl: Curl, command: str, key: str, project: object) -> None:
    done = ("finished", "failed")
    answer = eventually(lambda: curl(command, P=project), lambda answer: answer.body[key] in done)
    assert answer.body[key] == "finished", answer
