"""What an administrator sets holds at once, in every process."""

from __future__ import annotations

from uuid import uuid4

from tests.support.gitlab import GitLab
from tests.support.samples.table import archive


async def test_a_new_limit_of_decompressed_size_holds_for_the_next_import(gitlab: GitLab) -> None:
    bomb, setting = archive("bomb"), "max_decompressed_archive_size"
    before = (await gitlab.call("GET", "/application/settings")).body[setting]
    try:
        assert (await gitlab.call("PUT", "/application/settings", data={setting: "20"})).status == 200
        refused = await gitlab.import_file(bomb, f"p{uuid4().hex}")
    finally:
        await gitlab.call("PUT", "/application/settings", data={setting: str(before)})
    assert "Decompressed archive size validation failed." in refused["import_error"]
    assert (await gitlab.import_file(bomb, f"p{uuid4().hex}"))["import_status"] == "finished"
