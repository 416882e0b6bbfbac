"""Many projects, from and to a real Crossdock of either form, in a folder and in a bucket of real S3."""

from __future__ import annotations

import csv
import json
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from pyrage import x25519

from services.cli.client import connect
from services.cli.demo.contents import differences, read_contents
from services.cli.fleet.copying import Copying, CopyOptions
from services.cli.fleet.counts import count_records
from services.cli.fleet.selection import Selection
from services.cli.relations import SelectionUnsupported
from shared.gitlab.relation_selection import RelationSelection
from tests.e2e.test_cli import CommandLine
from tests.support.buckets import made_bucket
from tests.support.gitlab_fleet import FleetGitLab
from tests.support.projects import ndjson, project
from tests.support.samples.table import archive
from tests.support.seaweedfs import S3Server
from tests.support.system import System

SAMPLES = ("every_relation", "many_records", "small")


@pytest.fixture
async def command(system: System, s3_server: S3Server, tmp_path: Path) -> CommandLine:
    await made_bucket(s3_server)
    return CommandLine(
        {
            "CROSSDOCK_URL": system.url,
            "CROSSDOCK_TOKEN": system.token,
            "CROSSDOCK_CONFIG": str(tmp_path / "none.toml"),
            "AWS_ENDPOINT_URL_S3": s3_server.endpoint,
            "AWS_ACCESS_KEY_ID": s3_server.access_key,
            "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
        }
    )


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, s3_server: S3Server, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "kept")
    return f"s3://{s3_server.bucket}/fleet-{uuid4().hex}"


def documents(command: CommandLine, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    done = command(*arguments, "--json", code=code)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_group_is_backed_up_and_restored_and_a_second_run_moves_only_what_changed(
    system: System, command: CommandLine, place: str, tmp_path: Path
) -> None:
    group = f"g{uuid4().hex[:8]}"
    paths = [f"{group}/{name}" for name in SAMPLES[:2]] + [f"{group}/below/{SAMPLES[2]}"]
    _make_group(system, group)
    _make_group(system, f"{group}/below")
    for path, name in zip(paths, SAMPLES, strict=True):
        command("import", str(archive(name)), "--path", path)

    *each, summary = documents(command, "backup", "--group", group, "--to", place)
    assert (summary["done"], summary["skipped"], summary["failed"]) == (3, 0, 0)
    assert {one["project"] for one in each} == set(paths)
    command("import", str(archive("small")), "--path", paths[0], "--overwrite")
    *each, summary = documents(command, "backup", "--group", group, "--to", place)
    assert {one["project"]: one["state"] for one in each} == {
        paths[0]: "done", paths[1]: "skipped", paths[2]: "skipped",
    }  # fmt: skip

    *each, summary = documents(command, "restore", place, "--into", f"{group}-again")
    assert (summary["done"], summary["failed"]) == (3, 0)
    expected = ("small", SAMPLES[1], SAMPLES[2])
    for path, name in zip(paths, expected, strict=True):
        restored = path.replace(group, f"{group}-again", 1)
        command("export", restored, "-o", str(tmp_path / "out.tar.gz"))
        before, after = read_contents(archive(name)), read_contents(tmp_path / "out.tar.gz")
        assert list(differences(before, after, failed=())) == []
    *each, summary = documents(command, "restore", place, "--into", f"{group}-again")
    assert (summary["done"], summary["skipped"]) == (0, 3)


def test_what_is_encrypted_for_a_key_is_checked_and_restored_with_it(
    system: System, command: CommandLine, place: str, tmp_path: Path
) -> None:
    owner, group = x25519.Identity.generate(), f"g{uuid4().hex[:8]}"
    (tmp_path / "key").write_text(str(owner))
    _make_group(system, group)
    command("import", str(archive("every_relation")), "--path", f"{group}/one")
    given = ("backup", "--group", group, "--to", place, "--recipient", str(owner.to_public()))
    [one, _] = documents(command, *given)
    assert one["file"].endswith(".tar.gz.age")
    identity = ("--identity", str(tmp_path / "key"))
    assert documents(command, "check", place, "--read-data", *identity)[-1]["failed"] == 0
    assert documents(command, "check", place, "--read-data")[-1]["failed"] == 0
    command("restore", place, "--into", f"{group}-again", code=2)
    assert documents(command, "restore", place, "--into", f"{group}-again", *identity)[-1]["done"] == 1
    command("export", f"{group}-again/one", "-o", str(tmp_path / "out.tar.gz"))
    before, after = read_contents(archive("every_relation")), read_contents(tmp_path / "out.tar.gz")
    assert list(differences(before, after, failed=())) == []


def _make_group(system: System, path: str) -> None:
    """Make a group, in one that is there."""
    above, _, name = path.rpartition("/")
    headers = {"PRIVATE-TOKEN": system.token}
    body: dict[str, Any] = {"name": name, "path": name}
    if above:
        found = requests.get(f"{system.url}/api/v4/groups/{above}", headers=headers, timeout=30)
        body["parent_id"] = found.json()["id"]
    made = requests.post(f"{system.url}/api/v4/groups", headers=headers, json=body, timeout=30)
    assert made.status_code == 201, made.text


@pytest.fixture
def copying(system: System, tmp_path: Path) -> CommandLine:
    """A command that knows the server by two profiles; its environment names neither."""
    config = str(tmp_path / "config.toml")
    command = CommandLine({"CROSSDOCK_CONFIG": config, "CROSSDOCK_TOKEN": "of-another"})
    (tmp_path / "token").write_text(system.token)
    for name in ("one", "other"):
        command("login", name, system.url, "--token-file", str(tmp_path / "token"))
    return command


def test_a_group_is_copied_from_one_server_to_another_and_counted_on_both(
    system: System, copying: CommandLine, tmp_path: Path
) -> None:
    command = copying
    group = f"g{uuid4().hex[:8]}"
    paths = [f"{group}/{SAMPLES[0]}", f"{group}/below/{SAMPLES[1]}"]
    for made in (group, f"{group}/below"):
        _make_group(system, made)
    for path, name in zip(paths, SAMPLES, strict=False):
        command("import", str(archive(name)), "--path", path, "--profile", "one")
    given = ("copy", "--group", f"one:{group}", f"other:{group}-copy")
    [plan] = documents(command, *given, "--dry-run")
    assert {each["project"]: each["action"] for each in plan["projects"]} == dict.fromkeys(paths, "copy")
    assert [each["bytes"] > 0 for each in plan["projects"]] == [True, False]  # of files; the other has lines

    *each, summary = documents(command, *given, "--report", str(tmp_path / "report.csv"))
    assert (summary["done"], summary["failed"]) == (2, 0)
    for outcome in each:
        assert outcome["target"] == outcome["project"].replace(group, f"{group}-copy", 1)
        assert outcome["source_counts"] == outcome["target_counts"]
        assert outcome["source_counts"]["issues"]
    with (tmp_path / "report.csv").open() as file:
        rows = {row["project"]: row for row in csv.DictReader(file)}
    for outcome in each:
        for side in ("source", "target"):
            told = int(rows[outcome["project"]][f"issues {side}"])
            assert told == outcome[f"{side}_counts"]["issues"]
    for path, name in zip(paths, SAMPLES, strict=False):
        copied = path.replace(group, f"{group}-copy", 1)
        command("export", copied, "-o", str(tmp_path / "out.tar.gz"), "--profile", "other")
        before, after = read_contents(archive(name)), read_contents(tmp_path / "out.tar.gz")
        assert list(differences(before, after, failed=())) == []
    *each, summary = documents(command, *given)
    assert (summary["done"], summary["skipped"]) == (0, 2)
    command("copy", f"one:{paths[0]}", f"other:{group}-alone")
    command("status", f"{group}-alone/{SAMPLES[0]}", "--profile", "other")


def test_some_relations_are_backed_up_restored_and_copied(
    system: System, command: CommandLine, copying: CommandLine, tmp_path: Path
) -> None:
    group, place = f"g{uuid4().hex[:8]}", str(tmp_path / "kept")
    _make_group(system, group)
    command("import", str(archive("every_relation")), "--path", f"{group}/one")
    chosen, only = (
        ("--relations", "issues,labels"),
        {"tree/project/issues.ndjson", "tree/project/labels.ndjson"},
    )
    assert documents(command, "backup", "--group", group, "--to", place)[-1]["done"] == 1
    for done, skipped in ((1, 0), (0, 1)):
        summary = documents(command, "backup", "--group", group, "--to", place, *chosen)[-1]
        assert (summary["done"], summary["skipped"]) == (done, skipped)

    into = f"{group}-some"
    documents(command, "restore", place, "--into", into, *chosen)
    documents(copying, "copy", f"one:{group}/one", f"other:{group}-copy", *chosen)
    for path in (f"{into}/one", f"{group}-copy/one"):
        command("export", path, "-o", str(tmp_path / "out.tar.gz"))
        with tarfile.open(tmp_path / "out.tar.gz") as tar:
            names = {name.removeprefix("./") for name in tar.getnames()}
        assert {name for name in names if name.endswith(".ndjson")} == only
        assert not [name for name in names if name.startswith(("uploads/", "lfs-objects/", "project.bundle"))]
    documents(command, "restore", place, "--into", f"{group}-whole")
    command("export", f"{group}-whole/one", "-o", str(tmp_path / "whole.tar.gz"))
    before, after = read_contents(archive("every_relation")), read_contents(tmp_path / "whole.tar.gz")
    assert list(differences(before, after, failed=())) == []


async def test_what_a_gitlab_cannot_select_is_selected_by_the_target_of_a_copy(system: System) -> None:
    gitlab = FleetGitLab("a/b")
    gitlab.projects["a/b"].archive = project(
        labels=ndjson(b'{"title":"bug"}'), issues=ndjson(b'{"title":"one"}')
    )
    chosen = RelationSelection(relations=("labels",))
    options = CopyOptions(
        into=f"g{uuid4().hex[:8]}",
        group=None,
        parallel=1,
        within=timedelta(minutes=5),
        counts=False,
        relations=chosen,
    )
    async with (
        gitlab.serve() as url,
        connect(url, "t") as source,
        connect(system.url, system.token) as target,
        connect(url, "t") as other,
    ):
        copying = Copying(source, target, options)
        run = await copying.run(await copying.select(Selection()), json=False)
        assert (run.report.done, run.report.failed) == (1, 0)
        assert await count_records(target, (await target.import_status(f"{options.into}/b")).id, chosen) == {
            "labels": 1
        }
        copied = await count_records(target, (await target.import_status(f"{options.into}/b")).id)
        assert copied["issues"] == 0
        with pytest.raises(SelectionUnsupported):
            await Copying(source, other, options).select(Selection())


@pytest.mark.parametrize(
    "given",
    [
        ("one:a", "two:b", "other:c"),
        ("other:c",),
        ("one:a", "other:c", "--group", "one:g"),
        ("a", "other:c"),
        ("one:a", "other:"),
    ],
)
def test_what_copies_nothing_or_from_two_servers_is_refused(given: tuple[str, ...], tmp_path: Path) -> None:
    CommandLine({"CROSSDOCK_CONFIG": str(tmp_path / "none.toml")})("copy", *given, code=2)
