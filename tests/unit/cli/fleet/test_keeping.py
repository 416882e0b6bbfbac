from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.cli.errors import UsageError
from services.cli.fleet.prune import prune, read_policy
from services.cli.fleet.restore import RestoreOptions, choose
from shared.catalogue.archives import (
    ArchiveRecord,
    Catalogue,
    archive_key,
    put,
    read_catalogue,
    write_record,
)
from shared.catalogue.retention import Policy
from shared.gitlab.relation_selection import RelationSelection
from shared.storage.filesystem import FilesystemStore
from tests.support.command import run_beside
from tests.support.projects import project

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
GITLAB = "https://gitlab.example.com"


def record(time: datetime, path: str = "a/b", **more: object) -> ArchiveRecord:
    given = {"source": GITLAB, "project_id": 1, "bytes": 1, "sha256": "00"} | more
    return ArchiveRecord(
        project=path, time=time, file=archive_key(str(given["source"]), path, time), **given  # type: ignore[arg-type]  # of several types
    )  # fmt: skip


def times(policy: Policy, records: Iterable[ArchiveRecord]) -> list[datetime]:
    given = [*records]
    kept = policy.keep(given)
    return [each.time for each in given if each.file in kept]


def test_the_newest_of_each_day_is_kept_of_as_many_days_as_have_one() -> None:
    records = [record(NOON - timedelta(hours=8 * n)) for n in reversed(range(12))]
    kept = times(Policy(daily=3), records)
    assert [each.day for each in kept] == [25, 26, 27]
    assert {each.date(): max(r.time for r in records if r.time.date() == each.date()) for each in kept} == {
        each.date(): each for each in kept
    }


def test_days_without_an_archive_do_not_count() -> None:
    records = [record(NOON - timedelta(days=n)) for n in (300, 20, 3, 0)]
    assert times(Policy(daily=3), records) == [each.time for each in records[1:]]


def test_what_one_rule_keeps_stays_and_each_counts_by_itself() -> None:
    records = [record(NOON - timedelta(days=n)) for n in reversed(range(400))]
    kept = times(Policy(last=1, daily=7, weekly=4, monthly=12, yearly=2), records)
    days = [f"2026-11-{day}" for day in range(21, 28)]
    weeks = ["2026-11-08", "2026-11-15"]  # the newest of the other two are among the days
    months = [
        "2025-12-31",
        *(f"2026-{day}" for day in ("01-31", "02-28", "03-31", "04-30", "05-31", "06-30")),
    ]
    months += [f"2026-{day}" for day in ("07-31", "08-31", "09-30", "10-31")]  # the first is also a year's
    assert [f"{each:%Y-%m-%d}" for each in kept] == sorted([*days, *weeks, *months])


def test_the_newest_of_a_project_always_stays() -> None:
    records = [record(NOON - timedelta(days=n)) for n in (9, 5)]
    assert times(Policy(last=0, daily=0, yearly=1), records) == [records[1].time]


def test_a_policy_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="--keep-last"):
        read_policy(last=0, daily=0, weekly=0, monthly=0, yearly=0)


def archives(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.tar.gz")}


async def kept(folder: Path, *records: ArchiveRecord) -> FilesystemStore:
    store = FilesystemStore(folder)
    for each in records:
        await put(store, each.file, b"x")
        await write_record(store, each)
    return store


async def test_what_goes_goes_with_its_record_and_what_dead_runs_left_too(tmp_path: Path) -> None:
    old, new, other = record(NOON - timedelta(days=3)), record(NOON), record(NOON - timedelta(days=9), "c/d")
    store = await kept(tmp_path, old, new, other)
    left, young = (archive_key(GITLAB, "e/f", NOON - timedelta(days=n)) for n in (3, 1))
    for each in (left, young):
        await put(store, each, b"x")
    planned = await prune(store, Policy(last=1), now=NOON, dry_run=True)
    assert (planned.removed, planned.kept) == ([old.file, left], 2)
    assert len(await read_catalogue(store)) == 3
    done = await prune(store, Policy(last=1), now=NOON, dry_run=False)
    assert (done.removed, done.kept) == (planned.removed, planned.kept)
    assert archives(tmp_path) == {new.file, other.file, young}
    assert (await prune(store, Policy(last=1), now=NOON, dry_run=False)).removed == []


async def test_damage_is_found_by_size_and_by_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = project()
    whole = record(NOON, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    store = await kept(tmp_path, whole)
    await put(store, whole.file, data)
    for arguments in ((), ("--read-data",), ("--read-data-subset", "1%")):
        assert await run_beside(monkeypatch, "check", str(tmp_path), *arguments) == 0
    await put(store, whole.file, data[:-1] + bytes([data[-1] ^ 1]))
    assert await run_beside(monkeypatch, "check", str(tmp_path)) == 0
    capsys.readouterr()
    assert await run_beside(monkeypatch, "check", str(tmp_path), "--read-data-subset", "5%", "--json") == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["failures"][0]["error_code"] == "archive_damaged"
    await put(store, whole.file, data[:-1])
    assert await run_beside(monkeypatch, "check", str(tmp_path)) == 1
    assert f"it has {len(data) - 1} bytes instead of {len(data)}" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["5", "0%", "101%", "x%"])
async def test_a_share_is_a_percentage(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await run_beside(monkeypatch, "check", ".", "--read-data-subset", share) == 2


def test_the_newest_archive_of_a_time_is_chosen() -> None:
    paths, days = ("a/b", "c/d"), (3, 2, 1)
    catalogue = Catalogue([record(NOON - timedelta(days=n), path) for n in days for path in paths])
    chosen = choose(catalogue, only=("a/*",), at=NOON - timedelta(days=2), source=None)
    assert [(each.project, each.time) for each in chosen] == [("a/b", NOON - timedelta(days=2))]
    with pytest.raises(UsageError, match="no archive"):
        choose(catalogue, only=(), at=NOON - timedelta(days=9), source=None)


ISSUES = RelationSelection(relations=("issues",))


def test_a_whole_archive_is_chosen_before_a_newer_one_of_some_relations() -> None:
    whole, partial = record(NOON - timedelta(days=2)), record(NOON, selection=ISSUES)
    assert choose(Catalogue([whole, partial]), only=(), at=None, source=None) == [whole]
    older = record(NOON - timedelta(days=1), selection=ISSUES)
    assert choose(Catalogue([older, partial]), only=(), at=None, source=None) == [partial]


async def test_archives_of_some_relations_are_kept_beside_whole_ones(tmp_path: Path) -> None:
    whole, partial = record(NOON - timedelta(days=2)), record(NOON, selection=ISSUES)
    older = record(NOON - timedelta(days=1), selection=ISSUES)
    store = await kept(tmp_path, whole, partial, older)
    assert (await prune(store, Policy(last=1), now=NOON, dry_run=False)).removed == [older.file]
    assert {*await read_catalogue(store)} == {whole, partial}


def test_archives_of_two_servers_are_not_mixed() -> None:
    catalogue = Catalogue([record(NOON), record(NOON, source="https://other.example.com")])
    with pytest.raises(UsageError, match="--source"):
        choose(catalogue, only=(), at=None, source=None)
    [chosen] = choose(catalogue, only=(), at=None, source="https://other.example.com/")
    assert chosen.source == "https://other.example.com"


@pytest.mark.parametrize(
    ("group", "strip", "target"),
    [
        (None, None, "into/a/b/c"),
        ("a", None, "into/b/c"),
        ("A/b", None, "into/c"),
        ("x", None, "into/a/b/c"),
        (None, 2, "into/c"),
        ("a", 0, "into/a/b/c"),
    ],
)
def test_a_project_goes_below_the_group_less_the_group_that_was_backed_up(
    group: str | None, strip: int | None, target: str
) -> None:
    options = RestoreOptions(into="/into/", parallel=1, within=timedelta(1), strip=strip)
    assert options.target(record(NOON, "a/b/c", group=group)) == target
    with pytest.raises(UsageError, match="nothing is left"):
        RestoreOptions(into="into", parallel=1, within=timedelta(1), strip=3).target(record(NOON, "a/b/c"))
