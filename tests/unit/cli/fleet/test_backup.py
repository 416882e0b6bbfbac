from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli.client import connect
from services.cli.fleet.backup import Backup, BackupOptions
from services.cli.fleet.runner import RunReport
from services.cli.fleet.selection import Selection
from services.cli.relations import SelectionUnsupported
from shared.gitlab.relation_selection import RelationSelection
from shared.signing.signer import parse_signer
from shared.storage.filesystem import FilesystemStore
from tests.support.command import run_beside
from tests.support.gitlab_fleet import FleetGitLab
from tests.support.sealing import KEY

OPTIONS = BackupOptions(parallel=2, within=timedelta(minutes=1))


async def back_up(gitlab: FleetGitLab, place: Path, options: BackupOptions = OPTIONS) -> RunReport:
    async with gitlab.serve() as url, connect(url, "t") as client:
        backup = Backup(client, FilesystemStore(place), options, group=None)
        return (await backup.run(Selection(), json=False)).report


def kept(place: Path) -> list[str]:
    """The names of what is kept, but for the reports of runs."""
    names = (str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    return sorted(name for name in names if not name.startswith("runs/"))


def catalogue(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / "catalogue.jsonl").read_text().splitlines()]


async def test_each_project_is_kept_with_its_record_and_what_it_is_of(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b", "a/c/d")
    report = await back_up(gitlab, tmp_path)
    assert (report.done, report.skipped, report.failed) == (2, 0, 0)
    records = catalogue(tmp_path)
    assert {each["project"] for each in records} == {"a/b", "a/c/d"}
    for each in records:
        data = (tmp_path / each["file"]).read_bytes()
        assert data == gitlab.projects[each["project"]].archive
        assert (each["bytes"], each["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert each["source"].startswith("http://127.0.0.1:")
        host = each["source"].removeprefix("http://")
        assert each["file"].startswith(f"projects/{host}/{each['project']}/")
    assert kept(tmp_path) == sorted(
        ["catalogue.jsonl"] + [each["file"] for each in records]
        + [each["file"].replace(".tar.gz", ".json") for each in records]
    )  # fmt: skip


async def test_a_second_run_moves_only_what_has_changed(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b", "a/c")
    await back_up(gitlab, tmp_path)
    report = await back_up(gitlab, tmp_path)
    assert (report.done, report.skipped, report.bytes) == (0, 2, 0)
    gitlab.projects["a/c"].changed += timedelta(days=1)
    report = await back_up(gitlab, tmp_path)
    assert (report.done, report.skipped) == (1, 1)
    assert gitlab.exports == {"a/b": 1, "a/c": 2}


async def test_what_has_changed_within_the_hour_is_exported_again_as_a_gitlab_may_not_tell_of_more(
    tmp_path: Path,
) -> None:
    for revision, times in (("abc", 2), ("crossdock", 1)):
        gitlab = FleetGitLab("a/b", revision=revision)
        gitlab.projects["a/b"].changed = datetime.now(UTC) - timedelta(minutes=59)
        for _ in range(2):
            await back_up(gitlab, tmp_path / revision)
        assert gitlab.exports["a/b"] == times


async def test_force_and_age_export_what_has_not_changed(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b")
    await back_up(gitlab, tmp_path)
    await back_up(gitlab, tmp_path, replace(OPTIONS, force=True))
    await back_up(gitlab, tmp_path, replace(OPTIONS, max_age=timedelta(0)))
    assert gitlab.exports["a/b"] == 3


async def test_archives_of_one_second_do_not_replace_each_other(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b")
    for _ in range(4):
        await back_up(gitlab, tmp_path, replace(OPTIONS, force=True))
    assert len(catalogue(tmp_path)) == 4


async def test_a_gitlab_is_told_before_a_backup_of_some_relations_begins(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b")
    with pytest.raises(SelectionUnsupported):
        await back_up(gitlab, tmp_path, replace(OPTIONS, relations=RelationSelection(relations=("issues",))))
    assert not gitlab.exports


async def test_another_project_of_the_same_path_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b")
    await back_up(gitlab, tmp_path)
    gitlab.projects["a/b"].id = 77
    assert (await back_up(gitlab, tmp_path)).done == 1


@pytest.mark.parametrize(("broken", "code"), [("export", "server_refused"), ("bytes", "download_corrupted")])
async def test_a_project_that_fails_leaves_nothing_and_does_not_end_the_others(
    tmp_path: Path, broken: str, code: str
) -> None:
    gitlab = FleetGitLab("a/b", "a/c", "a/d")
    gitlab.projects["a/b"].broken = broken
    report = await back_up(gitlab, tmp_path)
    assert (report.done, report.failed) == (2, 1)
    [failure] = report.failures
    assert (failure.project, failure.error_code) == ("a/b", code)
    assert not [name for name in kept(tmp_path) if "/b/" in name]
    gitlab.projects["a/b"].broken = None
    report = await back_up(gitlab, tmp_path)
    assert (report.done, report.skipped) == (1, 2)


async def test_what_a_run_has_recorded_counts_without_its_catalogue(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b", "a/c")
    await back_up(gitlab, tmp_path)
    (tmp_path / "catalogue.jsonl").unlink()
    assert (await back_up(gitlab, tmp_path)).skipped == 2
    assert len(catalogue(tmp_path)) == 2


@pytest.mark.parametrize("gone", [".json", ".tar.gz"])
async def test_an_archive_counts_with_its_record_and_its_bytes_only(tmp_path: Path, gone: str) -> None:
    gitlab = FleetGitLab("a/b")
    await back_up(gitlab, tmp_path)
    next((tmp_path / "projects").rglob(f"*{gone}")).unlink()
    report = await back_up(gitlab, tmp_path)
    assert report.done == 1


async def test_a_project_whose_name_begins_with_a_dot_is_kept(tmp_path: Path) -> None:
    await back_up(FleetGitLab("a/.github"), tmp_path)
    [record] = catalogue(tmp_path)
    assert record["project"] == "a/.github"
    assert "/a/%2Egithub/" in record["file"]


async def test_a_run_prints_a_document_for_each_project_and_fails_where_one_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gitlab = FleetGitLab("a/b", "a/c")
    gitlab.projects["a/b"].broken = "export"
    async with gitlab.serve() as url:
        arguments = ("backup", "--all", "--to", str(tmp_path / "x"), "--url", url, "--token", "t", "--json")
        assert await run_beside(monkeypatch, *arguments) == 1
        *each, last = map(json.loads, capsys.readouterr().out.splitlines())
        assert {one["project"]: one["state"] for one in each} == {"a/b": "failed", "a/c": "done"}
        assert (last["done"], last["failed"], last["failures"][0]["project"]) == (1, 1, "a/b")
        [report] = (tmp_path / "x/runs").iterdir()
        assert json.loads(report.read_text()) == last
        gitlab.projects["a/b"].broken = None
        assert await run_beside(monkeypatch, *arguments[:-1]) == 0
    told = capsys.readouterr()
    assert "[1/2] " in told.err
    assert "a/c: skipped, unchanged" in told.err


@pytest.mark.parametrize("address", ["s3://", "s3:///prefix", "s3://u@b/x", "s3://b/x?y", "s3://b:1/x"])
async def test_an_address_that_names_no_bucket_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_beside(monkeypatch, "backup", "--all", "--to", address, "--token", "t") == 2
    assert "s3://BUCKET/PREFIX" in capsys.readouterr().err


async def test_a_catalogue_of_a_newer_version_is_not_written_over(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b")
    await back_up(gitlab, tmp_path)
    file = tmp_path / "catalogue.jsonl"
    file.write_text(file.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(Exception, match="newer crossdock"):
        await back_up(gitlab, tmp_path)
    assert '"format":2' in file.read_text()


async def test_the_manifest_of_a_crossdock_is_kept_with_its_signature(tmp_path: Path) -> None:
    gitlab = FleetGitLab("a/b", "a/c", revision="crossdock")
    gitlab.signer = parse_signer(KEY)
    place = tmp_path / "kept"
    await back_up(gitlab, place)
    for record in catalogue(place):
        manifest = place / record["file"].replace(".tar.gz", ".manifest.json")
        assert hashlib.sha256(manifest.read_bytes()).hexdigest() == record["manifest"]
        assert manifest.with_name(f"{manifest.name}.sig").read_bytes().hex() == record["signature"]
    assert len([name for name in kept(place) if ".manifest.json" in name]) == 4


async def test_a_crossdock_without_a_key_signs_nothing_and_a_manifest_that_is_cut_is_told(
    tmp_path: Path,
) -> None:
    gitlab = FleetGitLab("a/b", revision="crossdock")
    await back_up(gitlab, tmp_path)
    assert not [name for name in kept(tmp_path) if name.endswith(".sig")]
    gitlab.broken_manifest = b"of another"
    report = await back_up(gitlab, tmp_path, replace(OPTIONS, force=True))
    assert report.failures[0].error_code == "download_corrupted"
